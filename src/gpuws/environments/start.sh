# shellcheck shell=sh
# shellcheck disable=SC2154 # lock_*: lock.sh; desk: shared.sh; s_*: probe/shared.sh
# start.sh ROOT HASH ENGINE UNIT RUN start|join FILE NAME SHARED [NAME MODE TEXT]...
# SHARED: the root of a group that the environment lies in, "" for ROOT.
# Answers state: complete (with marker), running (a build of ours, with base), theirs (another member
# builds it; with owner), unshared (it cannot be in SHARED; with why), started, or absent (join).

unshared() {
  say why "$s_fault"
  say state unshared
}

# may_share PREFIX: the shared root can be used, and so can what is there of the environment.
may_share() {
  shared_state "$shared"
  s_fault="ls -ld $shared shows why not ($s_state)"
  [ "$s_state" = usable ] || return 1
  s_fault=''
  if [ -L "$1" ] || [ -f "$1/.gpuws-complete" ]; then shared_fault "$1"; fi
  [ -z "$s_fault" ]
}

# say_running: a build of ours; base says where it puts the environment.
say_running() {
  want "$build" "$name"
  find_base "$build" "$root"
  say base "$base"
  say state running
}

say_theirs() {
  say state theirs
  shared_status "${desk:-$1/lock.$lock_number}" || s_owner=''
  say owner "$s_owner"
}

# join: what is under way, without beginning anything.
join() {
  newest_lock "$build"
  if lives "$build"; then
    say_running
  elif [ -n "$shared" ] && builds_there "$shared/builds/$hash"; then
    say_theirs "$shared/builds/$hash"
  else
    say state absent
  fi
}

# claim: the build in the shared root is ours; else it has been said whose it is, or why it cannot be.
claim() {
  common=$shared/builds/$hash
  if ! common_folders "$shared" "$hash"; then
    unshared
    return 1
  fi
  if ! take "$common" "$(this_node) $(this_boot) $$ $(started $$)" builds_there; then
    say_theirs "$common"
    return 1
  fi
  if done_now; then return 1; fi
  if ! make_desk "$common" || ! clear_way "$shared" "$hash"; then
    unshared
    return 1
  fi
  clear_own "$shared"
  write "$build/desk" 600 "$desk$NL"
}

# done_now: somebody has finished it since we looked.
done_now() {
  if [ -n "$shared" ]; then may_share "$shared/envs/$hash" || return 1; fi
  say_complete "$base/envs/$hash"
}

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
  root=$1 hash=$2 engine=$3 unit=$4 run=$5 mode=$6 file=$7 name=$8 shared=$9
  shift 9
  check_hash "$hash"
  build=$root/builds/$hash base=${shared:-$root}
  if [ -n "$shared" ] && ! may_share "$shared/envs/$hash"; then
    unshared
    return 0
  fi
  if say_complete "$base/envs/$hash"; then return 0; fi
  if [ "$mode" = join ]; then
    join
    return 0
  fi
  folders "$root" "$hash"
  if ! take "$build" "$(this_node) $(this_boot) $$ $engine $unit $run" lives; then
    say_running
    return 0
  fi
  older_locks "$build"
  if done_now; then return 0; fi
  engine_stop "$run" "$unit"
  end_leftovers "$build"
  rm -f "$build/desk"
  if [ -z "$shared" ]; then remove_partial "$root" "$hash"; else claim || return 0; fi
  rm -rf "$build/pid" "$build/build.log" "$build/build.log.1" "$build/scratch" "$build"/wanted-*
  want "$build" "$name"
  tell "$build" state running
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
