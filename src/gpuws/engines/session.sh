# shellcheck shell=sh
# shellcheck disable=SC2154 # gpuws_* are set by env.sh
# session.sh FOLDER: the supervisor of one workspace. An engine starts it; it lives as long as the
# session does. It keeps in FOLDER: pid (itself), service (what it runs), endpoint, exit, jupyter.log.

BEAT=60           # seconds between two signs of life for other machines
LOG_LIMIT=5000000 # bytes; what was before is kept once, as jupyter.log.1

# gpuws_serve COMMAND...: called by launch.sh, become the service. A shell's background children are
# deaf to INT, and so would be every program in every terminal: undone where it is so.
# shellcheck disable=SC2317 # called by launch.sh
gpuws_serve() {
  read -r own _ </proc/self/stat # $$ is the number of the whole script, not of this subshell
  write "$folder/service" 600 "$(look_process "$own")"
  ignored=$(sed -n 's/^SigIgn:[[:space:]]*//p' /proc/self/status 2>/dev/null) || ignored=0
  case $ignored in
  *[2367abefABEF])
    exec "$gpuws_prefix/bin/python" -I -S -c 'import os, signal, sys
for number in (signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
    ;;
  esac
  exec "$@"
}

# usurped: another machine took this one for dead and has the workspace now.
usurped() { [ -e "$folder/pid" ] && [ "$(look_line "$folder/pid")" != "$me" ]; }

# watch: say where the service answers, then keep its log small and give signs of life. Ends with the
# session, and ends it where two would serve one folder.
watch() {
  looks=0
  until answers; do doze; done
  served=$(look_line "$folder/service") rounds=0
  until usurped; do
    sleep 5
    kill -0 "$$" 2>/dev/null || exit 0
    rounds=$((rounds + 1))
    [ $((rounds % (BEAT / 5))) -ne 0 ] || beat
    if [ "$(wc -c <"$folder/jupyter.log" 2>/dev/null || echo 0)" -gt "$LOG_LIMIT" ]; then
      cp "$folder/jupyter.log" "$folder/jupyter.log.1" 2>/dev/null || :
      : >"$folder/jupyter.log"
    fi
  done
  kill "${served%% *}"
}

# beat: its time is the file server's.
beat() { date +%s >"$folder/beat" || :; } 2>/dev/null

# doze: between two looks; what has not come within some seconds is looked for less often.
doze() {
  kill -0 "$$" 2>/dev/null || exit 0 # the supervisor's number, in this subshell too
  looks=$((looks + 1))
  pause=0.02
  [ "$looks" -lt 200 ] || pause=0.2
  sleep "$pause" 2>/dev/null || sleep 1
}

# answers: the service has written its own run file, which it does when it listens.
answers() {
  for file in "$folder"/jupyter/runtime/jpserver-*.json; do
    [ -f "$file" ] || return 1
  done
  if [ -S "$gpuws_run/jupyter.sock" ]; then
    endpoint "unix:$gpuws_run/jupyter.sock"
    return
  fi
  port=$(sed -n 's/.*"port": *\([0-9]*\).*/\1/p' "$file" | head -n 1)
  case $port in '' | 0 | *[!0-9]* | ??????*) return 1 ;; esac
  listens "$port" && endpoint "tcp:$port"
}

endpoint() {
  write "$folder/endpoint" 600 "$1 $(date +%s)$NL"
  tell_starter
}

# tell_starter: start.sh waits at this pipe. Open both ways: it may have given up waiting.
tell_starter() {
  [ ! -p "$gpuws_run/told" ] || echo 1<>"$gpuws_run/told"
}

# listens PORT: it is this user who listens there on loopback, not somebody who was quicker.
listens() {
  hex=$(printf '%04X' "$1")
  uid=$(id -u)
  while read -r _ address _ state _ _ _ owner _; do
    case $address:$state in
    0100007F:"$hex":0A) [ "$owner" = "$uid" ] && return 0 ;;
    esac
  done </proc/net/tcp
  return 1
}

# serve: in the foreground, so that nothing is deaf to INT. What comes out goes into the log.
serve() {
  (
    set +eu
    # shellcheck source=/dev/null
    . "$folder/launch.sh"
  ) >>"$folder/jupyter.log" 2>&1
}

# idle: a session without a service.
idle() {
  endpoint -
  until usurped; do
    beat
    sleep "$BEAT" & # a signal is answered only while a shell waits
    watcher=$!
    wait "$watcher" || :
  done
  exit 0
}

ended() {
  trap '' TERM HUP INT
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || :
  ! usurped || exit 0 # nothing of what is there now is ours
  state=crashed
  [ "$1" -ne 0 ] && [ "$asked" = 0 ] || state=stopped
  write "$folder/exit" 600 "$state $1 $(date +%s)$NL" # first: without both it would be starting
  rm -f "$folder/endpoint"
  tell_starter
  exit 0
}

main() {
  folder=$1
  settle_in_bash "$folder" "$0" "$@"
  asked=0 watcher='' status=0
  trap 'asked=1' TERM HUP
  me=$(look_process "$$")
  write "$folder/pid" 600 "$me"
  beat
  : >>"$folder/jupyter.log"
  settle "$folder" >>"$folder/jupyter.log" 2>&1
  if [ ! -s "$folder/launch.sh" ]; then
    trap 'ended 0' TERM HUP
    idle
  fi
  watch >/dev/null 2>&1 &
  watcher=$!
  serve || status=$?
  ended "$status"
}

main "$@" </dev/null
