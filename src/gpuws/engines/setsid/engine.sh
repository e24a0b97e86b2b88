# shellcheck shell=sh
# shellcheck disable=SC2154 # look_record: record.sh
# A detached process in a session of its own. RUN/UNIT.pid holds its record.

# engine_start RUN UNIT FILE [ARG...]: start FILE (a 0700 script) detached; returns at once.
engine_start() {
  e_run=$1 e_unit=$2
  shift 2
  engine_stop "$e_run" "$e_unit"
  e_new=''
  ! have setsid || e_new=setsid
  # Without setsid(1), a job of a shell with -m is at least a process group of its own, and nohup
  # makes it deaf to the end of the login. The script's number: exec keeps it.
  (
    unset LC_ALL SSH_AUTH_SOCK SSH_CLIENT SSH_CONNECTION SSH_TTY || :
    [ -n "$e_new" ] || {
      set -m 2>/dev/null || :
      e_new='nohup'
    }
    # shellcheck disable=SC2016 # for the inner shell
    $e_new /bin/sh -c 'printf "%s\n" $$ >"$1" && shift && exec "$@"' sh \
      "$e_run/$e_unit.new" "$@" </dev/null >/dev/null 2>&1 &
  )
  e_round=0
  while [ ! -s "$e_run/$e_unit.new" ]; do
    e_round=$((e_round + 1))
    [ "$e_round" -le 100 ] || die no-engine "a process cannot be started on the host" \
      "ulimit -u says how many you may have"
    sleep 0.02 2>/dev/null || sleep 1
  done
  read -r e_pid <"$e_run/$e_unit.new"
  write "$e_run/$e_unit.pid" 600 "$(look_process "$e_pid")"
  rm -f "$e_run/$e_unit.new"
}

# engine_alive RUN UNIT: the very process that was started is still there.
engine_alive() { engine_pid "$1" "$2" >/dev/null; }

# engine_stop RUN UNIT: end the process and its group; safe to repeat.
engine_stop() {
  for e_signal in TERM KILL; do
    e_pid=$(engine_pid "$1" "$2") || break
    kill -s "$e_signal" -- "-$e_pid" 2>/dev/null || kill -s "$e_signal" "$e_pid" 2>/dev/null || :
    e_round=0
    while [ "$e_round" -lt 40 ] && engine_alive "$1" "$2"; do
      e_round=$((e_round + 1))
      sleep 0.05 2>/dev/null || { sleep 1 && e_round=$((e_round + 19)); }
    done
  done
  rm -f "$1/$2.pid" "$1/$2.new"
}

# engine_pid RUN UNIT: its number, when the process that has it is still that one.
engine_pid() {
  look_alive "$1/$2.pid" || return 1
  printf '%s\n' "${look_record%% *}"
}
