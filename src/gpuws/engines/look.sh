# shellcheck shell=sh
# What lives under a root. Asked of the kernel: a session lives while its supervisor's process does,
# known by its number, the time it began and the boot. workspace.json is never believed for that.
# Of another machine's session only its beat can be seen, a file that session.sh touches each minute.

LOOK_SILENCE=300 # seconds without one

# look_workspaces ROOT: one line for each workspace, and one for each forward made for it:
# workspace<TAB>NAME<TAB>STATE<TAB>SINCE<TAB>TARGET<TAB>JSON
# (TARGET: unix:PATH, tcp:PORT, "-" for none, or "elsewhere" where it runs on another machine)
# forward<TAB>NAME<TAB>FORWARD<TAB>WORDS
look_workspaces() {
  [ ! -L "$1/workspaces" ] || return 0
  for look_folder in "$1"/workspaces/*/; do
    look_folder=${look_folder%/}
    ! look_ours "$look_folder" || look_one "$look_folder"
  done
}

# look_tokens ROOT NAME: token<TAB>NAME<TAB>TOKEN of that workspace, or of all where NAME is "".
look_tokens() {
  [ ! -L "$1/workspaces" ] || return 0
  for look_folder in "$1"/workspaces/*/; do
    look_folder=${look_folder%/}
    look_ours "$look_folder" || continue
    [ -z "$2" ] || [ "${look_folder##*/}" = "$2" ] || continue
    look_token=$(look_line "$look_folder/token")
    [ -z "$look_token" ] || printf 'token\t%s\t%s\n' "${look_folder##*/}" "$look_token"
  done
}

# look_ours FOLDER: a folder of this user's, not a link to one.
look_ours() { [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]; }

# look_one FOLDER: sets look_state, look_since, look_target, look_far (yes: another machine's, or of
# another boot) and says the lines.
look_one() {
  look_target=- look_since=0 look_state=''
  look_json=$(look_line "$1/workspace.json")
  [ -n "$look_json" ] || return 0
  look_verdict "$1"
  printf 'workspace\t%s\t%s\t%s\t%s\t%s\n' \
    "${1##*/}" "$look_state" "$look_since" "$look_target" "$look_json"
  look_forwards "$1"
}

# look_forwards FOLDER: what its file holds, within bounds; a line that was cut is none.
look_forwards() {
  [ -f "$1/forwards" ] && [ ! -L "$1/forwards" ] && [ -r "$1/forwards" ] || return 0
  dd if="$1/forwards" bs=8192 count=1 2>/dev/null | while IFS= read -r look_text; do
    printf 'forward\t%s\t%s\n' "${1##*/}" "$look_text"
  done
}

look_verdict() {
  [ -n "${look_node:-}" ] || look_here
  set -- "$1" "$(look_value node "$look_json")" "$(look_value boot_id "$look_json")"
  look_ended=$(look_line "$1/exit") look_far=''
  look_since=$(look_number created "$look_json")
  if [ -n "$look_ended" ]; then
    look_state=${look_ended%% *}
    look_since=${look_ended##* }
  elif { [ -n "$2" ] && [ "$2" != "$look_node" ]; } || { [ -n "$3" ] && [ "$3" != "$look_boot" ]; }; then
    look_elsewhere "$1" "${2:-$look_node}" "$3"
  elif look_alive "$1/pid"; then
    look_state=starting
    look_answers "$1"
  elif look_alive "$1/starter"; then
    look_state=starting
  else
    look_state=crashed
  fi
}

# look_elsewhere FOLDER NODE BOOT: of a session that another machine, or this one before it was booted,
# has begun. running: it lives over there, its sockets are not here. silent: nobody has seen it for a
# while, which proves nothing. moved: its machine is gone and the disk is on this one. rebooted: gone
# with the boot before. A node's name proves nothing by itself: machines of a cloud share theirs.
look_elsewhere() {
  # shellcheck disable=SC2034 # for the scripts after it
  look_far=yes look_beat=$(written_at "$1/beat") look_up=$(look_booted)
  if [ -n "$3" ] && [ "$3" != "$look_boot" ] && one_kernel "$1"; then
    look_state=moved
    [ "$2" != "$look_node" ] || look_state=rebooted
  elif [ "$2" = "$look_node" ] && [ "$look_beat" -le "$look_up" ]; then
    look_state=rebooted
  elif [ "$look_beat" -gt $(($(date +%s) - LOOK_SILENCE)) ]; then
    look_state=running
  else
    look_state=silent
  fi
  case $look_state in
  rebooted) look_since=$look_up ;;
  running) look_target=elsewhere ;;
  *) [ "$look_beat" -eq 0 ] || look_since=$look_beat ;;
  esac
}

# look_here: sets look_node and look_boot, once.
look_here() {
  look_node=$(uname -n) look_boot=''
  ! [ -r /proc/sys/kernel/random/boot_id ] || read -r look_boot </proc/sys/kernel/random/boot_id
}

# look_answers FOLDER: running, once the supervisor has seen the service answer.
look_answers() {
  look_words=$(look_line "$1/endpoint")
  [ -n "$look_words" ] || return 0
  look_state=running
  look_target=${look_words% *}
  look_since=${look_words##* }
}

# look_value KEY JSON: a text value that needs no escapes; nothing where it has some. Inside a text
# a quotation mark has a backslash before it, so `"key":"` can only be a key.
look_value() {
  case $2 in
  *"\"$1\":\""*) look_text=${2#*"\"$1\":\""} ;;
  *"\"$1\": \""*) look_text=${2#*"\"$1\": \""} ;;
  *) return 0 ;;
  esac
  look_text=${look_text%%\"*}
  case $look_text in *\\*) ;; *) printf '%s' "$look_text" ;; esac
}

# look_number KEY JSON: a whole number, 0 where there is none.
look_number() {
  case $2 in
  *"\"$1\":"*) look_text=${2#*"\"$1\":"} ;;
  *) look_text=0 ;;
  esac
  look_text=${look_text# }
  look_text=${look_text%%[!0-9]*}
  printf '%s' "${look_text:-0}"
}

# look_booted: when this host started, in seconds since the epoch.
look_booted() {
  look_up=''
  ! [ -r /proc/uptime ] || IFS=' .' read -r look_up _ </proc/uptime
  printf '%s' "$(($(date +%s) - ${look_up:-0}))"
}
