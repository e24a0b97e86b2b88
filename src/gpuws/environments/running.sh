# shellcheck shell=sh
# shellcheck disable=SC2154 # lock_* are set by lock.sh
# running.sh ROOT: builds that live, as "build HASH ENGINE NAME...": who wants the environment.
main() {
  for build in "$1"/builds/*/; do
    build=${build%/}
    { [ -d "$build" ] && [ ! -L "$build" ] && build_process "$build" >/dev/null; } || continue
    newest_lock "$build"
    names=''
    for each in "$build"/wanted-*; do
      [ ! -f "$each" ] || names="$names ${each##*/wanted-}"
    done
    say build "${build##*/} $lock_engine$names"
  done
}

main "$@" </dev/null
