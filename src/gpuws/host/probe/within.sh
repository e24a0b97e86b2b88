# shellcheck shell=sh
# shellcheck disable=SC2154 # has_timeout is set by the script that begins
# within SECONDS COMMAND...: with a deadline also where timeout(1) is missing. KILL, because an
# interactive bash ignores TERM.
within() {
  if [ "$has_timeout" = yes ]; then
    timeout -s KILL "$@"
    return
  fi
  seconds=$1
  shift
  { "$@" <&3 & } 3<&0
  worker=$!
  (
    trap 'kill "$sleeper"; exit' TERM
    sleep "$seconds" &
    sleeper=$!
    wait "$sleeper" && kill -9 "$worker"
  ) </dev/null >/dev/null 2>&1 &
  guard=$!
  status=0
  wait "$worker" || status=$?
  kill "$guard" 2>/dev/null || :
  return "$status"
}
