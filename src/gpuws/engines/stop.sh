# shellcheck shell=sh
# shellcheck disable=SC2154 # folder: folders.sh; look_*: look.sh
# stop.sh ROOT NAME KEEP PURGE: end the session and prove that nothing is left of it.
#   KEEP    "PID:START PID:START": processes that the user wants to go on
# Answers: stopped yes|no, removed PATH, left WHAT, kept PATH. Safe to repeat.

# end_session: Jupyter first, which ends its kernels in good order; then whatever carries the nonce.
end_session() {
  number=$(look_line "$folder/service")
  if look_alive "$folder/service" && with_nonce "$nonce" | grep -qx "${number%% *}"; then
    say stopped yes
    kill "${number%% *}" 2>/dev/null || :
    nap_until 10 service_gone
  elif [ -n "$(with_nonce "$nonce" | without "$keep")" ]; then
    say stopped yes
  else
    say stopped no
  fi
  for signal in TERM KILL; do
    signal_rest "$signal"
    nap_until 2 all_gone || :
  done
}

service_gone() { ! look_alive "$folder/service"; }
all_gone() { [ -z "$(with_nonce "$nonce" | without "$keep")" ]; }

signal_rest() {
  for number in $(with_nonce "$nonce" | without "$keep"); do
    kill -s "$1" "$number" 2>/dev/null || :
  done
}

# nap_until SECONDS CONDITION
nap_until() {
  round=0
  while ! "$2"; do
    [ "$round" -lt $(($1 * 20)) ] || return 0
    round=$((round + 1))
    sleep 0.05 2>/dev/null || {
      sleep 1
      round=$((round + 19))
    }
  done
}

remove() {
  for each in "$@"; do
    [ -e "$each" ] || [ -L "$each" ] || continue
    rm -rf -- "$each" 2>/dev/null || :
    if [ -e "$each" ] || [ -L "$each" ]; then say left "$each"; else say removed "$each"; fi
  done
}

remove_files() {
  if [ -n "$run" ]; then
    remove_run "$run"
    if [ -e "$run" ]; then say left "$run"; else say removed "$run"; fi
  fi
  remove "$folder/token" "$folder/env.sh" "$folder/launch.sh" "$folder/prologue.sh" \
    "$folder/endpoint" "$folder/pid" "$folder/beat" "$folder/service" "$folder/starter" "$folder/bin" \
    "$folder/jupyter"
}

purge() {
  if [ "$dir" = "$root/projects/$name" ] && [ ! -L "$root/projects" ]; then
    remove "$dir"
  elif [ -n "$dir" ]; then
    say kept "$dir"
  fi
  [ ! -L "$root/envs/$name" ] || remove "$root/envs/$name"
  remove "$folder"
}

# refuse_elsewhere: what another node runs cannot be ended from here. Sets look_json.
refuse_elsewhere() {
  look_json=$(look_line "$folder/workspace.json")
  [ -n "$look_json" ] || return 0
  look_one "$folder" >/dev/null
  other=$(look_value node "$look_json")
  case $look_far:$look_state in
  yes:running) die locked "the workspace runs on the node $other" "connect to $other to end it" ;;
  yes:silent) die locked "the workspace may still run on the node $other" \
    "connect to $other to end it; if that machine is gone: \`gpuws up\` with --here, then this" ;;
  esac
}

main() {
  root=$1 name=$2 keep=$3
  known_workspace "$root" "$name"
  refuse_elsewhere
  hold "$folder"
  refuse_elsewhere
  nonce=$(look_value instance "$look_json") prefix=$(look_value prefix "$look_json")
  dir=$(look_value dir "$look_json") run=$(look_value run "$look_json")
  end_session
  if [ -n "$run" ] && ! known_run "$run" "$folder"; then
    [ ! -e "$run" ] || say note "$run is not this workspace's: left as it is"
    run=''
  fi
  remove_files
  for number in $(with_nonce "$nonce" | without "$keep"); do
    say left "process $number: $(command_of "$number")"
  done
  case $(look_line "$folder/exit") in
  'stopped '*) ;;
  *) write "$folder/exit" 600 "stopped 0 $(date +%s)$NL" ;;
  esac
  [ ! -e "$prefix" ] || say kept "$prefix"
  if [ "$4" = 1 ]; then purge; else
    [ -z "$dir" ] || say kept "$dir"
    say kept "$folder"
  fi
}

main "$@" </dev/null
