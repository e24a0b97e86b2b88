# shellcheck shell=sh
# shellcheck disable=SC2154 # lock_* are set by lock.sh
# start.sh ROOT HASH ENGINE UNIT RUN start|join FILE [NAME MODE TEXT]...
# Answers state: complete (with marker), running (somebody builds it), started, or absent (join).

# want BUILD NAME: which workspace asked for it, so that its `down` can end the build.
want() { [ -z "$2" ] || : >"$1/wanted-$2"; }

# run_folder RUN: for the engine's own files; it must be ours alone.
run_folder() {
  mkdir -p "$1" 2>/dev/null || :
  for r_path in "${1%/*}" "$1"; do
    if [ ! -d "$r_path" ] || [ -L "$r_path" ] || [ ! -O "$r_path" ]; then
      die root-not-private "$r_path cannot be made a folder of ours alone" \
        "somebody else has made it; root: in hosts.yaml names another place"
    fi
  done
}

# await_process BUILD: the engine has started it when it has written its number or its end.
await_process() {
  a_round=0
  while [ "$a_round" -lt 75 ]; do
    if [ -f "$1/pid" ]; then return 0; fi
    a_round=$((a_round + 1))
    nap
  done
  die no-engine "the build does not start on the host" "its folder is $1"
}

main() {
  root=$1 hash=$2 engine=$3 unit=$4 run=$5 mode=$6 file=$7 name=$8
  shift 8
  check_hash "$hash"
  build=$root/builds/$hash
  if say_complete "$root/envs/$hash"; then return 0; fi
  if [ "$mode" = join ]; then
    newest_lock "$build"
    if lives "$build"; then
      want "$build" "$name"
      say state running
    else
      say state absent
    fi
    return 0
  fi
  folders "$root" "$hash"
  if ! take "$build" "$(this_node) $(this_boot) $$ $engine $unit $run"; then
    want "$build" "$name"
    say state running
    return 0
  fi
  older_locks "$build"
  if say_complete "$root/envs/$hash"; then return 0; fi
  engine_stop "$run" "$unit"
  end_leftovers "$build"
  remove_partial "$root" "$hash"
  rm -rf "$build/pid" "$build/build.log" "$build/build.log.1" "$build/scratch" "$build"/wanted-*
  want "$build" "$name"
  write "$build/state" 600 'running'
  while [ $# -ge 3 ]; do
    write "$build/$1" "$2" "$3"
    shift 3
  done
  run_folder "$run"
  engine_start "$run" "$unit" "$build/$file" "$build"
  await_process "$build"
  say state started
}

main "$@" </dev/null
