# shellcheck shell=sh
# shellcheck disable=SC2154 # gpuws_* are set by env.sh, tmux by program.sh
# enter.sh FOLDER exec COMMAND...  a command in the workspace's environment, on our own streams
# enter.sh FOLDER shell            a terminal in it; inside the session's tmux where it has one
# enter.sh FOLDER inside           what runs in such a tmux window

refuse() {
  printf 'gpuws: %s\n' "$1" >&2
  exit 255
}

# The user's own rc file may put another environment in front again (conda's base does).
terminal() {
  GPUWS_PREFIX=$gpuws_prefix
  export GPUWS_PREFIX
  shell=${SHELL:-/bin/sh}
  # shellcheck disable=SC2016 # fish reads it
  case $shell in
  */bash) exec "$shell" --rcfile "$folder/bin/terminal.bash" -i <&3 3<&- ;;
  */fish) exec "$shell" -i -C 'set -gx PATH "$GPUWS_PREFIX/bin" $PATH' <&3 3<&- ;;
  *) exec "$shell" -i <&3 3<&- ;;
  esac
}

# in_tmux: the first terminal of this session that nobody looks at, or a new one.
in_tmux() {
  number=1
  # asked of the list: display-message answers with nothing and status 0 for a session that is not
  list=$("$tmux" -S "$1" list-sessions -F '#{session_name} #{session_attached}')
  while printf '%s\n' "$list" | grep -q "^shell-$number [1-9]"; do number=$((number + 1)); done
  if printf '%s\n' "$list" | grep -q "^shell-$number 0"; then
    exec "$tmux" -S "$1" attach-session -t "=shell-$number" <&3 3<&-
  fi
  unset TMUX || :
  quoted=$(printf %s "$folder" | sed "s/'/'\\\\''/g")
  exec "$tmux" -S "$1" new-session -s "shell-$number" \
    "SHELL='${SHELL:-/bin/sh}' exec /bin/sh '$quoted'/bin/enter-*.sh '$quoted' inside" <&3 3<&-
}

main() {
  folder=$1 mode=$2
  shift 2
  [ -O "$folder/env.sh" ] || refuse "the workspace is not running; gpuws up starts it"
  gpuws_run='' gpuws_dir=''
  # shellcheck source=/dev/null
  . "$folder/env.sh"
  find_tmux "${folder%/workspaces/*}"
  if [ "$mode" = shell ] && [ -S "$gpuws_run/tmux.sock" ] && have "$tmux"; then
    unset LC_ALL || :
    # a terminal that tmux has not heard of (kitty, ghostty) would be refused by it; infocmp comes
    # with the same terminals, beside the one that we brought
    infocmp=${tmux%tmux}infocmp
    if have "$infocmp" && ! "$infocmp" "${TERM:-}" >/dev/null 2>&1; then TERM=xterm-256color; fi
    export TERM
    in_tmux "$gpuws_run/tmux.sock"
  fi
  settle "$folder"
  cd -- "$gpuws_dir" || refuse "there is no folder $gpuws_dir on the host"
  set +eu
  [ "$mode" = exec ] || terminal
  exec "$@" <&3 3<&-
}

main "$@" 3<&0 </dev/null
