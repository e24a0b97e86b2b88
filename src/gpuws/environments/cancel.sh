# shellcheck shell=sh
# shellcheck disable=SC2154 # lock_* are set by lock.sh
# cancel.sh ROOT HASH: end a build that runs and take its unfinished prefix away. Safe to repeat.

# end_build BUILD: through the engine, then by process, then whatever it left.
end_build() {
  end_engine
  for c_round in 1 2 3 4 5 6 7 8 9 10; do
    c_pid=$(build_process "$1") || break
    if [ "$c_round" -gt 5 ]; then set -- "$1" KILL; else set -- "$1" TERM; fi
    kill -"$2" "$c_pid" 2>/dev/null || :
    nap
  done
  end_leftovers "$1"
}

main() {
  root=$1 hash=$2
  check_hash "$hash"
  build=$root/builds/$hash
  if [ ! -d "$build" ] || [ -L "$build" ]; then
    say state absent
    return 0
  fi
  find_base "$build" "$root"
  newest_lock "$build"
  if elsewhere && lives "$build"; then
    die locked "the environment is being built on $lock_node" "connect to $lock_node to end it"
  fi
  if [ "$lock_number" -gt 0 ] && [ "$lock_boot" = "$(this_boot)" ]; then
    if lives "$build"; then say ended "$lock_unit"; fi
    end_build "$build"
  fi
  if [ -e "$base/envs/$hash/.gpuws-complete" ]; then
    say state complete
    return 0
  fi
  remove_partial "$base" "$hash"
  [ ! -e "$build/state" ] || tell "$build" state 'failed build-interrupted 143'
  rm -rf "$build/scratch" "$build/pid"
  say state cancelled
}

main "$@" </dev/null
