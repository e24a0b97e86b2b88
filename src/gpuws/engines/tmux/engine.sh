# shellcheck shell=sh
# shellcheck disable=SC2154 # look_record: record.sh; tmux: program.sh; root: the script after it
# One tmux server for each unit, on RUN/tmux.sock, with no configuration file: nothing of the
# user's is touched, and `kill-server` ends nothing of theirs. tmux keeps the command line and the
# environment of its first client for life, so no caller may have a secret in either.

# engine_start RUN UNIT FILE [ARG...]: start FILE (a 0700 script) detached; returns at once.
engine_start() {
  e_run=$1 e_unit=$2
  shift 2
  engine_stop "$e_run" "$e_unit"
  find_tmux "$root"
  # The words of the command are read by a shell that tmux chooses by SHELL: that must be sh, and
  # the user's own goes to the script. Descriptor 9 stays on the pane's terminal: when nobody holds
  # that any more, tmux takes the pane for dead and ends it.
  e_words=''
  for e_word in "SHELL=${SHELL:-/bin/sh}" "$@"; do
    e_words="$e_words $(engine_quote "$e_word")"
  done
  if ! e_pid=$(
    unset LC_ALL TMUX TMUX_PANE SSH_AUTH_SOCK SSH_CLIENT SSH_CONNECTION SSH_TTY || :
    SHELL=/bin/sh TERM=${TERM:-xterm}
    export SHELL TERM
    "$tmux" -S "$e_run/tmux.sock" -f /dev/null new-session -d -P -F '#{pid}' -s "$e_unit" \
      "exec env$e_words 9<&0 </dev/null >/dev/null 2>&1" </dev/null 2>"$e_run/tmux.err"
  ); then
    e_said=$(head -n 1 "$e_run/tmux.err" 2>/dev/null) || e_said=''
    engine_stop "$e_run" "$e_unit"
    die no-engine "tmux does not start: ${e_said:-it does not say why}" \
      "on the host, this must work: tmux -L try new-session -d 'sleep 1'"
  fi
  rm -f "$e_run/tmux.err"
  write "$e_run/tmux.pid" 600 "$(look_process "$e_pid")"
}

# engine_alive RUN UNIT: a session of that name answers; "=" asks for the whole name, not a prefix.
# Cleaners of /tmp remove sockets; the server makes a new one when it gets USR1.
engine_alive() {
  if [ ! -S "$1/tmux.sock" ]; then
    e_pid=$(engine_server "$1") || return 1
    kill -USR1 "$e_pid" 2>/dev/null || return 1
    sleep 0.2 2>/dev/null || sleep 1
  fi
  find_tmux "$root"
  "$tmux" -S "$1/tmux.sock" has-session -t "=$2" </dev/null >/dev/null 2>&1
}

# engine_stop RUN UNIT: end the server with all its windows; safe to repeat.
engine_stop() {
  e_pid=$(engine_server "$1") || e_pid=''
  find_tmux "$root"
  if [ -S "$1/tmux.sock" ] && have "$tmux"; then
    "$tmux" -S "$1/tmux.sock" kill-server </dev/null >/dev/null 2>&1 || :
  fi
  if [ -n "$e_pid" ] && engine_server "$1" >/dev/null; then kill "$e_pid" 2>/dev/null || :; fi
  rm -f "$1/tmux.sock" "$1/tmux.err" "$1/tmux.pid"
}

# engine_server RUN: the server's number, when the process that has it is still that server.
engine_server() {
  look_alive "$1/tmux.pid" || return 1
  printf '%s\n' "${look_record%% *}"
}

# engine_quote TEXT: one word for sh.
engine_quote() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }
