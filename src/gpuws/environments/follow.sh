# shellcheck shell=sh
# shellcheck disable=SC2154 # lock_*: lock.sh; desk: shared.sh
# follow.sh ROOT HASH OFFSET SECONDS SHARED: new log lines of a build and its state. Waits up to
# SECONDS for something new. OFFSET and the answered one count lines; "dead" says that nobody builds.
# SHARED: the root of a group, where another member builds; "" for a build of ours.

lines_of() { if [ -f "$1" ] && [ ! -L "$1" ]; then wc -l <"$1" | tr -d ' '; else printf '0\n'; fi; }

# look_ours, look_theirs BUILD: set told (where the log is), state and total (its lines).
look_ours() {
  told=$1
  state=$(cat "$1/state" 2>/dev/null || :)
  total=$(lines_of "$1/build.log")
}

look_theirs() {
  find_desk "$1"
  told=${desk:-$1} state=running
  [ -z "$desk" ] || state=$(desk_line state)
  total=$(lines_of "$told/build.log")
}

goes_on() {
  if [ -n "$shared" ]; then builds_there "$1"; else
    newest_lock "$1"
    lives "$1" || starting
  fi
}

# wait_for_news BUILD OFFSET SECONDS: sets dead and what "$look" sets.
wait_for_news() {
  n_end=$(($(date +%s) + $3))
  dead=''
  while :; do
    "$look" "$1"
    [ "$state" = running ] && [ "$total" -eq "$2" ] || return 0
    if ! goes_on "$1"; then
      "$look" "$1" # it may have ended between the two looks
      dead=yes
      return 0
    fi
    [ "$(date +%s)" -lt "$n_end" ] || return 0
    nap
  done
}

say_lines() { cut -c 1-1000 | while IFS= read -r text; do say "$1" "$text"; done; }

# last_words BUILD: of a build that has ended.
last_words() {
  if [ -z "$shared" ]; then
    newest_lock "$1"
    # The state is the last thing that a build writes, so its engine has nothing left to do.
    [ "$lock_number" -eq 0 ] || elsewhere || end_engine
  fi
  cat "$told/build.log.1" "$told/build.log" 2>/dev/null | tail -n 150 | say_lines tail
  base=$shared
  [ -n "$shared" ] || find_base "$1" "$root"
  say free_kb "$(df -Pk "$base" 2>/dev/null | awk 'NR == 2 { print $4 }')"
}

main() {
  root=$1 hash=$2 offset=$3 shared=$5
  check_hash "$hash"
  build=${shared:-$root}/builds/$hash look=look_ours
  [ -z "$shared" ] || look=look_theirs
  [ -d "$build" ] || die environment-not-found "no build of $hash under ${shared:-$root}"
  wait_for_news "$build" "$offset" "$4"
  [ "$total" -ge "$offset" ] || offset=0 # the log was cut
  upto=$((offset + 400))
  [ "$upto" -le "$total" ] || upto=$total
  if [ "$upto" -gt "$offset" ]; then
    sed -n "$((offset + 1)),${upto}p" "$told/build.log" | say_lines log
  fi
  say offset "$upto"
  say state "$state"
  [ -z "$dead" ] || say dead yes
  if [ "$state" = running ] && [ -z "$dead" ]; then return 0; fi
  last_words "$build"
  case $state in
  done*) say marker "$(head -n 1 "$base/envs/$hash/.gpuws-complete" 2>/dev/null || :)" ;;
  esac
}

main "$@" </dev/null
