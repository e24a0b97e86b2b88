# shellcheck shell=sh
# shellcheck disable=SC2154 # lock_* are set by lock.sh
# follow.sh ROOT HASH OFFSET SECONDS: new log lines of a build and its state. Waits up to SECONDS
# for something new. OFFSET and the answered one count lines; "dead" says that nobody builds.

lines_of() { if [ -f "$1" ]; then wc -l <"$1" | tr -d ' '; else printf '0\n'; fi; }

# wait_for_news BUILD OFFSET SECONDS: sets state, total and dead.
wait_for_news() {
  n_end=$(($(date +%s) + $3))
  dead=''
  while :; do
    state=$(cat "$1/state" 2>/dev/null || :)
    total=$(lines_of "$1/build.log")
    [ "$state" = running ] && [ "$total" -eq "$2" ] || return 0
    newest_lock "$1"
    if ! lives "$1" && ! starting; then
      state=$(cat "$1/state" 2>/dev/null || :) # it may have ended between the two looks
      total=$(lines_of "$1/build.log")
      dead=yes
      return 0
    fi
    [ "$(date +%s)" -lt "$n_end" ] || return 0
    nap
  done
}

main() {
  root=$1 hash=$2 offset=$3
  check_hash "$hash"
  build=$root/builds/$hash
  [ -d "$build" ] || die environment-not-found "no build of $hash under $root"
  wait_for_news "$build" "$offset" "$4"
  [ "$total" -ge "$offset" ] || offset=0 # the log was cut
  upto=$((offset + 400))
  [ "$upto" -le "$total" ] || upto=$total
  if [ "$upto" -gt "$offset" ]; then
    sed -n "$((offset + 1)),${upto}p" "$build/build.log" | cut -c 1-1000 |
      while IFS= read -r text; do say log "$text"; done
  fi
  say offset "$upto"
  say state "$state"
  [ -z "$dead" ] || say dead yes
  case $state in
  done*) say marker "$(head -n 1 "$root/envs/$hash/.gpuws-complete" 2>/dev/null || :)" ;;
  esac
  if [ "$state" != running ] || [ -n "$dead" ]; then
    newest_lock "$build"
    # The state is the last thing that a build writes, so its engine has nothing left to do.
    [ "$lock_number" -eq 0 ] || elsewhere || end_engine
    cat "$build/build.log.1" "$build/build.log" 2>/dev/null | tail -n 150 | cut -c 1-1000 |
      while IFS= read -r text; do say tail "$text"; done
    say free_kb "$(df -Pk "$root" 2>/dev/null | awk 'NR == 2 { print $4 }')"
  fi
}

main "$@" </dev/null
