# shellcheck shell=sh
# start.sh ROOT NAME RUN UNIT DIR PREFIX KEYS PATIENCE SCRIPT NONCE TAKE [PATH MODE TEXT]...
# Makes the workspace's folder, starts the session, waits until it answers or has ended.
#   KEYS      settings of the user's own Jupyter files to look for, as "a|b|c"
#   PATIENCE  seconds to wait
#   SCRIPT    the supervisor's file, relative to the workspace's folder
#   TAKE      1: also from a machine that gives no sign of life
# Answers: state started|kept, overridden FILE: KEY, log LINE (when it crashed), the workspace line.

make_folders() {
  root_folder "$root"
  jupyter=$folder/jupyter
  private_folders "$root/workspaces" "$folder" "$folder/bin" "$jupyter" "$jupyter/config" \
    "$jupyter/data" "$jupyter/data/kernels" "$jupyter/data/kernels/python3" "$jupyter/runtime" \
    "${run%/*}"
  private_folders "$run"
  write "$run/workspace" 600 "$folder$NL"
  [ -d "$dir" ] || mkdir -p -- "$dir" 2>/dev/null ||
    die no-root-folder "cannot make the project's folder $dir" "name another one with --dir"
}

# remember_root: for attach from a laptop that knows only the host's name.
remember_root() {
  [ "$root" != "${HOME:-/}/gpuws" ] || return 0
  [ ! -L "$HOME/.gpuws-root" ] && [ "$(look_line "$HOME/.gpuws-root")" != "$root" ] || return 0
  (write "$HOME/.gpuws-root" 600 "$root$NL") >/dev/null 2>&1 ||
    say note "$HOME cannot be written: attach needs root: $root in hosts.yaml"
}

# refuse_elsewhere: a folder on a file server is seen by several nodes, a session lives on one.
# Before the lock, so that nobody waits in vain, and with it. Sets look_state where there is one.
# shellcheck disable=SC2154 # look_*: look.sh
refuse_elsewhere() {
  [ -f "$folder/workspace.json" ] || return 0
  look_one "$folder" >/dev/null
  node=$(look_value node "$look_json")
  case $look_far:$look_state:$take in
  yes:running:*) die locked "the workspace runs on the node $node" \
    "connect to $node, or \`gpuws down\` there first" ;;
  yes:silent:0) die locked "the workspace may still run on the node $node" \
    "if that machine is gone: \`gpuws up\` with --here" ;;
  esac
}

# clean_up: what a session that did not end well has left. Nothing else is ended: programs that
# were kept running by \`down --keep-running\` are the user's.
clean_up() {
  for each in 1 2 3 4 5 6 7 8 9 10 11 12; do
    look_alive "$folder/service" || break
    number=$(look_line "$folder/service")
    if [ "$each" -gt 10 ]; then each=KILL; else each=TERM; fi
    kill -s "$each" "${number%% *}" 2>/dev/null || :
    sleep 0.3 2>/dev/null || sleep 1
  done
  rm -f "$folder/pid" "$folder/service" "$folder/endpoint" "$folder/exit" "$run/jupyter.sock" \
    "$run/told" "$folder"/bin/*.sh "$folder"/bin/*.bash "$folder"/jupyter/runtime/*
}

# link_environment: envs/NAME shows the environment in use, when it is one of ours.
link_environment() {
  case $prefix in "$root/envs/"*) ;; *) return 0 ;; esac
  link=$root/envs/$name
  point "$link" "${prefix##*/}" || say note "$link is there and is not a link: left as it is"
}

# name_overridden KEYS: in which of the user's own files settings stand that are put aside.
name_overridden() {
  [ -n "$1" ] || return 0
  for place in "${JUPYTER_CONFIG_DIR:-$HOME/.jupyter}" "$HOME/.local/etc/jupyter" \
    "$prefix/etc/jupyter" /usr/local/etc/jupyter /etc/jupyter; do
    for file in "$place"/jupyter_config.* "$place"/jupyter_server_config.* \
      "$place"/jupyter_lab_config.* "$place"/jupyter_notebook_config.*; do
      [ -f "$file" ] || continue
      # a line may hold a whole JSON document, so every key of one gets a line of its own
      case $file in
      *.json)
        tr '{' ',' <"$file" | tr ',' '\n' |
          sed -n -E "s/^[[:space:]]*\"($1)\"[[:space:]]*:.*/\1/p"
        ;;
      *) sed -n -E "s/^[[:space:]]*c\.([A-Za-z]+\.)($1)[[:space:]]*=.*/\1\2/p" "$file" ;;
      esac 2>/dev/null | sort -u | while read -r key; do say overridden "$file: $key"; done
    done
  done
}

# wait_for_it SECONDS: until the service answers or the session has ended. session.sh writes a line
# into the pipe when it has written one of the two files, so nothing is lost between a look and the
# opening. The pipe is open both ways: nobody waits for the other one to open it.
wait_for_it() {
  # by timeout: that of an old busybox has other options
  if timeout 1 mkfifo "$run/told" 2>/dev/null; then
    wait_seconds "$1" hear <>"$run/told"
  else
    wait_seconds "$1" look_often
  fi
}

# wait_seconds SECONDS FUNCTION: FUNCTION takes one at most.
wait_seconds() {
  second=0
  while [ "$second" -lt "$1" ] && ! settled; do
    "$2"
    second=$((second + 1))
    settled || engine_alive "$run" "$unit" || return 0
  done
}

settled() { [ -f "$folder/endpoint" ] || [ -f "$folder/exit" ]; }

hear() { timeout 1 head -n 1 >/dev/null || :; }

look_often() {
  look=0
  while [ "$look" -lt 30 ] && ! settled; do
    look=$((look + 1))
    sleep 0.03 2>/dev/null || {
      sleep 1
      return 0
    }
  done
}

tell() {
  look_one "$folder"
  case $look_state in
  starting | running) return 0 ;;
  esac
  tail -n 30 "$folder/jupyter.log" 2>/dev/null | while IFS= read -r line; do say log "$line"; done
}

main() {
  root=$1 name=$2 run=$3 unit=$4 dir=$5 prefix=$6 keys=$7 patience=$8 supervisor=$9
  nonce=${10} take=${11}
  shift 11
  folder=$root/workspaces/$name
  [ -z "$prefix" ] || [ -x "$prefix/bin/python" ] ||
    die environment-not-found "there is no Python in $prefix" "gpuws up builds it again"
  make_folders
  refuse_elsewhere
  hold "$folder"
  look_state=''
  refuse_elsewhere
  case $look_state in
  running | starting)
    say state kept
    tell
    return 0
    ;;
  esac
  remember_root
  engine_stop "$run" "$unit"
  clean_up
  while [ $# -ge 3 ]; do
    write "$folder/$1" "$2" "$3"
    shift 3
  done
  link_environment
  name_overridden "$keys"
  write "$folder/starter" 600 "$(look_process "$$")"
  (
    GPUWS_SESSION=$nonce
    export GPUWS_SESSION
    cd "$folder" || exit
    engine_start "$run" "$unit" "$folder/$supervisor" "$folder"
  )
  say state started
  wait_for_it "$patience"
  tell
  rm -f "$folder/starter" "$run/told"
}

main "$@" </dev/null
