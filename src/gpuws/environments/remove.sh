# shellcheck shell=sh
# shellcheck disable=SC2154 # s_*: probe/shared.sh
# remove.sh ROOT SHARED LEAVING HASH...: environments that nobody uses, of ROOT, or of a group's SHARED
# where that is not "". What is used by now is kept, with a reason. LEAVING: names of workspaces that
# have ended and do not want theirs any more.
# Answers: removed PATH, kept HASH<TAB>WHY, left PATH.

# why_kept: who uses it. A workspace counts also when it is stopped: its next start wants it.
why_kept() {
  for other in "$root"/workspaces/*/workspace.json; do
    [ -f "$other" ] || continue
    user=${other%/workspace.json}
    user=${user##*/}
    case " $leaving " in *" $user "*) continue ;; esac
    if grep -qF "\"$prefix\"" "$other" 2>/dev/null; then
      printf 'the workspace %s uses it' "$user"
      return 0
    fi
  done
  tools=$(tools_of "$root" "$hash" | head -n 1)
  if [ -n "$tools" ]; then
    printf "gpuws's %s lives in it" "$tools"
    return 0
  fi
  pids=$(users "$base" "$hash" | head -n 5 | tr '\n' ' ')
  [ -z "$pids" ] || printf 'processes use it: %s' "${pids% }"
}

links() {
  for link in "$root"/envs/*; do
    if [ -L "$link" ] && [ "$(link_target "$link")" = "$hash" ]; then rm -f -- "$link"; fi
  done
}

# foreign: sets why, where it is not ours to remove.
foreign() {
  why='gpuws did not make it'
  [ -d "$prefix" ] && [ ! -L "$prefix" ] || return 0
  [ ! -O "$prefix" ] || return 1
  [ "$base" != "$root" ] || return 0
  shared_status "$prefix"
  why="only $s_owner and root can remove it"
  [ "$(id -u)" != 0 ]
}

built_now() {
  if [ "$base" = "$root" ]; then building "$build"; else builds_there "$build"; fi
}

# The marker goes first: from then on no `up` takes the environment for one that is there, and what
# an interrupted removal leaves is an unfinished one. Who came before that is seen after it.
one() {
  prefix=$base/envs/$hash build=$base/builds/$hash
  [ -e "$prefix" ] || [ -L "$prefix" ] || return 0
  if foreign; then
    say kept "$hash	$why"
    return 0
  fi
  if [ ! -L "$build" ] && built_now; then
    say kept "$hash	it is being built"
    return 0
  fi
  [ "$base" = "$root" ] || chmod u+w "$prefix" 2>/dev/null || : # it was sealed
  [ ! -f "$prefix/.gpuws-complete" ] || mv -f "$prefix/.gpuws-complete" "$prefix/.gpuws-leaving" ||
    die read-only "cannot write $prefix" "ls -ld says whose it is"
  why=$(why_kept)
  if [ -n "$why" ]; then
    [ ! -f "$prefix/.gpuws-leaving" ] || mv -f "$prefix/.gpuws-leaving" "$prefix/.gpuws-complete"
    [ "$base" = "$root" ] || chmod u-w "$prefix"
    say kept "$hash	$why"
    return 0
  fi
  [ "$base" != "$root" ] || links
  rm -rf -- "$prefix" 2>/dev/null || {
    chmod -R u+rwX "$prefix" 2>/dev/null || :
    rm -rf -- "$prefix" 2>/dev/null || :
  }
  if [ -e "$prefix" ]; then say left "$prefix"; else say removed "$prefix"; fi
  [ -L "$build" ] || rm -rf -- "$build" 2>/dev/null || : # a group's holds folders of others
}

refuse_strange() {
  if [ "$base" != "$root" ]; then
    shared_state "$base"
    [ "$s_state" = usable ] || die shared-root-unsafe "shared_root: $base is $s_state" \
      "ls -ld $base on the host shows it"
  elif [ ! -f "$root/.gpuws-root" ] || [ -L "$root/envs" ] || [ -L "$root/builds" ]; then
    die not-ours "$root has no environments that gpuws made" "it removes nothing through links"
  fi
}

main() {
  root=$1 base=${2:-$1} leaving=$3
  shift 3
  refuse_strange
  for hash in "$@"; do
    check_hash "$hash"
    one
  done
}

main "$@" </dev/null
