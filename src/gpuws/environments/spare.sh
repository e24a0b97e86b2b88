# shellcheck shell=sh
# spare.sh ROOT look|remove [HASH]...: archives that a laptop sent and no environment of ROOT was built
# from; those of HASH, which are about to go, do not count. None while a build runs here, and none that
# was sent or asked about within the hour: a laptop may be sending what belongs to it.
# Answers count N and kb N: what could go, or what went.

MINUTES=60

live_build() {
  for l_build in "$root"/builds/*; do
    [ -d "$l_build" ] && [ ! -L "$l_build" ] || continue
    if building "$l_build"; then return 0; fi
  done
  return 1
}

# needed: the sha256 of each archive that a build which is done was told to take.
needed() {
  for n_build in "$root"/builds/*; do
    n_state=''
    [ ! -f "$n_build/state" ] || read -r n_state <"$n_build/state" || :
    case "$n_state $leaving" in done*" ${n_build##*/} "*) continue ;; done*) ;; *) continue ;; esac
    cat "$n_build/explicit.txt" "$n_build/locked.txt" 2>/dev/null |
      sed -n 's,.*/cache/archives/[0-9a-f][0-9a-f]/\([0-9a-f]\{64\}\)/.*,\1,p;
        s,.*/cache/archives/[0-9a-f][0-9a-f]/\([0-9a-f]\{64\}\)$,\1,p'
  done
}

# spare: a line "KB<TAB>FILE" each.
spare() {
  kept=$(needed | tr '\n' ' ')
  find "$root/cache/archives" -type f -mmin "+$MINUTES" -exec du -k {} + 2>/dev/null |
    while IFS='	' read -r s_kb s_file; do
      s_digest=${s_file%/*}
      case " $kept" in *" ${s_digest##*/} "*) ;; *) printf '%s\t%s\n' "$s_kb" "$s_file" ;; esac
    done
}

# drop: of the lines on stdin those that went.
drop() {
  while IFS='	' read -r d_kb d_file; do
    rm -f -- "$d_file" 2>/dev/null || continue
    d_folder=${d_file%/*}
    rmdir "$d_folder" "${d_folder%/*}" 2>/dev/null || :
    printf '%s\t%s\n' "$d_kb" "$d_file"
  done
}

main() {
  root=$1 how=$2
  shift 2
  leaving=" $* "
  step='cat'
  [ "$how" != remove ] || step=drop
  if [ ! -f "$root/.gpuws-root" ] || [ -L "$root/cache" ] || [ -L "$root/cache/archives" ] ||
    [ ! -d "$root/cache/archives" ] || live_build; then
    say count 0
    return 0
  fi
  found=$(spare | "$step" | awk '{ kb += $1 } END { print NR, kb + 0 }')
  say count "${found% *}"
  say kb "${found#* }"
}

main "$@" </dev/null
