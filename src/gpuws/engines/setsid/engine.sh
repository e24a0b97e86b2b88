# shellcheck shell=sh
# A detached process in a session of its own. RUN/UNIT.pid holds its number, the time it began
# (field 22 of /proc/PID/stat) and the boot: a number that another process got is not taken for it.

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
  write "$e_run/$e_unit.pid" 600 "$(engine_record "$e_pid")"
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
  [ -f "$1/$2.pid" ] && [ ! -L "$1/$2.pid" ] || return 1
  e_line=''
  read -r e_line <"$1/$2.pid" || [ -n "$e_line" ] || return 1
  case ${e_line%% *} in '' | *[!0-9]*) return 1 ;; esac
  case $e_line in *' gone '*) return 1 ;; esac
  [ "$(engine_record "${e_line%% *}")" = "$e_line" ] || return 1
  printf '%s\n' "${e_line%% *}"
}

# engine_record PID: "PID START BOOT", the same only for the same process.
engine_record() {
  e_stat='' e_boot=''
  if [ -O "/proc/$1" ]; then
    read -r e_stat 2>/dev/null <"/proc/$1/stat" || :
    read -r e_boot </proc/sys/kernel/random/boot_id || :
  fi
  # shellcheck disable=SC2086 # the fields after the name, which may have spaces and brackets
  set -- "$1" ${e_stat##*)}
  case ${2:-Z} in Z | X) set -- "$1" ;; esac
  printf '%s %s %s' "$1" "${21:-gone}" "$e_boot"
}
