# shellcheck shell=sh
# Part of doctor.sh: the user's own Jupyter servers, and who can reach them. Asked of the kernel;
# neither their settings nor their tokens are read, and no argument of theirs is told.

MOST_SERVERS=16

# tell_servers: server<TAB>PID<TAB>every|loopback|ADDRESS in hex<TAB>PORT<TAB>open|closed
tell_servers() {
  s_listening=$(tell_listening)
  [ -n "$s_listening" ] || return 0
  grep -ls -e jupyter-lab -e jupyter-notebook -e jupyter-server -e jupyter_server \
    -e jupyterlab /proc/[0-9]*/cmdline 2>/dev/null | while IFS= read -r s_file; do
    s_folder=${s_file%/cmdline}
    ! [ -O "$s_folder" ] || printf '%s\n' "$s_folder"
  done | head -n "$MOST_SERVERS" | while IFS= read -r s_folder; do
    tell_server "$s_folder"
  done
}

# tell_listening: ADDRESS PORT INODE of this user's listening sockets, the first two in hex. Most have
# none, which spares a look at every process. The tables have a line for each connection of a busy
# host, and a shell reads a byte at a time: sed does not.
tell_listening() {
  s_begin='^ *[0-9]*: \([0-9A-F]*\):\([0-9A-F]*\) [0-9A-F:]* 0A [^ ]* [^ ]* [^ ]*'
  sed -n "s/$s_begin *$(id -u) *[0-9]* \([0-9]*\) .*/\1 \2 \3/p" \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null || :
}

tell_server() {
  # shellcheck disable=SC2012 # the links of /proc have no names that could mislead
  s_sockets=$(ls -l "$1/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\]$/\1/p') || return 0
  s_lock=closed
  ! lets_everybody_in "$1/cmdline" || s_lock=open
  printf '%s\n' "$s_listening" | while read -r s_address s_port s_inode; do
    case $NL$s_sockets$NL in
    *"$NL$s_inode$NL"*) say server "${1#/proc/}	$(reach "$s_address")	$((0x$s_port))	$s_lock" ;;
    esac
  done
}

# lets_everybody_in CMDLINE: the token taken away on the command line, and no password instead.
lets_everybody_in() {
  s_words=$(tr '\000' '\n' <"$1" 2>/dev/null | grep -e '^--[A-Za-z]*\.token=' \
    -e '^--[A-Za-z]*\.\(hashed_\)\{0,1\}password=') || return 1
  case $NL$s_words$NL in *assword=[!\'\"$NL]*) return 1 ;; esac
  case $NL$s_words$NL in
  *.token="$NL"* | *.token=\'\'"$NL"* | *.token=\"\""$NL"*) return 0 ;;
  esac
  return 1
}

# reach HEX: who can come to an address of the kernel's table.
reach() {
  case $1 in
  00000000 | 00000000000000000000000000000000) echo every ;;
  ??????7F | 00000000000000000000000001000000) echo loopback ;;
  *) echo "$1" ;;
  esac
}
