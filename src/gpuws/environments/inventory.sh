# shellcheck shell=sh
# inventory.sh ROOT: every environment under a root.
# Answers: link NAME<TAB>HASH, environment HASH<TAB>STATE<TAB>KB<TAB>MARKER with STATE complete,
# building or unfinished, process HASH<TAB>PID, tool HASH<TAB>NAME, foreign PATH for what gpuws did not make.

one() {
  state=unfinished marker='' kb=0
  if [ -f "$path/.gpuws-complete" ] && [ ! -L "$path/.gpuws-complete" ]; then
    state=complete
    marker=$(head -n 1 "$path/.gpuws-complete" | cut -c 1-1000)
  elif building "$root/builds/$name"; then
    state=building
  else
    kb=$(limited 20 du -sk "$path" 2>/dev/null | cut -f 1 | head -n 1)
  fi
  say environment "$name	$state	${kb:-0}	$marker"
  tools_of "$root" "$name" | while read -r tool; do say tool "$name	$tool"; done
  [ "$state" != complete ] || users "$root" "$name" | head -n 50 | while read -r pid; do
    say process "$name	$pid"
  done
}

main() {
  root=$1
  { [ -d "$root/envs" ] && [ ! -L "$root/envs" ]; } || return 0
  for path in "$root"/envs/*; do
    name=${path##*/}
    if [ -L "$path" ]; then
      say link "$name	$(link_target "$path")"
      continue
    fi
    [ -e "$path" ] || continue
    case $name in
    *[!0-9a-f]*) say foreign "$path" ;;
    *) if [ -d "$path" ] && [ -O "$path" ]; then one; else say foreign "$path"; fi ;;
    esac
  done
}

main "$@" </dev/null
