# shellcheck shell=sh
# shellcheck disable=SC2154 # s_*: probe/shared.sh
# inventory.sh ROOT SHARED: every environment under a root, and the complete ones that a group shares.
# Answers: link NAME<TAB>HASH, environment HASH<TAB>STATE<TAB>KB<TAB>MARKER with STATE complete,
# building or unfinished, process HASH<TAB>PID, tool HASH<TAB>NAME, foreign PATH for what gpuws did not
# make; shared_state, shared_prefix as in the probe and shared_process HASH<TAB>PID.

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
  [ "$state" != complete ] || say_users process "$root" "$name"
}

# say_users KEY ROOT HASH
say_users() {
  users "$2" "$3" | head -n 50 | while read -r pid; do say "$1" "$3	$pid"; done
}

own_ones() {
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

shared_ones() {
  shared_state "$1"
  say shared_state "$s_state"
  [ "$s_state" = usable ] || return 0
  shared_prefixes "$1"
  for path in "$1"/envs/*/.gpuws-complete; do
    name=${path%/.gpuws-complete}
    name=${name##*/}
    case $name in *[!0-9a-f]*) ;; *) say_users shared_process "$1" "$name" ;; esac
  done
}

main() {
  root=$1
  own_ones
  [ -z "$2" ] || shared_ones "$2"
}

main "$@" </dev/null
