# shellcheck shell=sh
# shellcheck disable=SC2154 # lock_* are set by lock.sh
# owner.sh ROOT HASH: the engine that the newest build of an environment was given to.
main() {
  check_hash "$2"
  newest_lock "$1/builds/$2"
  say engine "$lock_engine"
}

main "$@" </dev/null
