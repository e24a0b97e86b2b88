# shellcheck shell=sh
# shellcheck disable=SC2154 # folder: folders.sh, root: root.sh
# ports.sh ROOT NAME: on which TCP ports the workspace's processes listen, by the kernel's tables:
# listening<TAB>ADDRESS:PORT (in the kernel's hex)<TAB>PID<TAB>COMMAND
# Not among them: Jupyter's own port, and those that it gave its kernels to talk to them.

MOST=64 # ports told

# open_sockets: INODE=ADDRESS:PORT of each that this user listens on.
open_sockets() {
  uid=$(id -u)
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    while read -r _ address _ state _ _ _ owner _ inode _; do
      [ "$state:$owner" != "0A:$uid" ] || printf '%s=%s\n' "$inode" "$address"
    done
}

# sockets_of PID: the inodes of those that it holds.
sockets_of() {
  # shellcheck disable=SC2012 # where links lead, where there is no readlink
  ls -l "/proc/$1/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\].*/\1/p'
}

# jupyters: the ports that are Jupyter's own business, in hex as the tables have them.
jupyters() {
  {
    printf '%s\n' "$(look_line "$folder/endpoint")" | sed -n 's/^tcp:\([0-9]*\) .*/\1/p'
    cat "$folder"/jupyter/runtime/kernel-*.json 2>/dev/null | tr ',' '\n' |
      sed -n 's/.*"[a-z]*_port": *\([0-9]\{1,5\}\).*/\1/p'
  } | while read -r number; do printf ' %04X' "$number"; done
}

# held_by PID: INODE=ADDRESS:PORT of those of them that it holds.
held_by() {
  for inode in $(sockets_of "$1"); do
    case "$NL$open" in *"$NL$inode="*) ;; *) continue ;; esac
    pair=$NL$open
    pair=${pair#*"$NL$inode="}
    printf '%s=%s\n' "$inode" "${pair%%"$NL"*}"
  done
}

# is_kernel PAIR...: it listens where Jupyter told a kernel to.
is_kernel() {
  for pair in "$@"; do
    case "$own " in *" ${pair##*:} "*) return 0 ;; esac
  done
  return 1
}

# systems_choice PORT: a number that no person has chosen. A kernel opens one for itself as well.
systems_choice() {
  [ $# -eq 3 ] && [ "$((0x$1))" -ge "$2" ] && [ "$((0x$1))" -le "$3" ]
}

# tell PID: each socket of it once, whoever else holds it.
tell() {
  held=$(held_by "$1")
  kernel=no
  # shellcheck disable=SC2086 # one word each
  ! is_kernel $held || kernel=yes
  for pair in $held; do
    case "$own " in *" ${pair##*:} "*) continue ;; esac
    case "$told " in *" $pair "*) continue ;; esac
    # shellcheck disable=SC2086 # two numbers
    [ "$kernel" = no ] || ! systems_choice "${pair##*:}" $range || continue
    told="$told $pair" count=$((count + 1))
    [ "$count" -le "$MOST" ] || exit 0
    say listening "${pair#*=}	$1	$(command_of "$1")"
  done
}

main() {
  find_root "$1"
  known_workspace "$root" "$2"
  look_json=$(look_line "$folder/workspace.json")
  open=$(open_sockets) own=$(jupyters) told='' count=0
  [ -n "$open" ] || return 0
  # by cat: such a file can only be read in one go, and dash reads letter by letter
  range=$(cat /proc/sys/net/ipv4/ip_local_port_range 2>/dev/null || :)
  for number in $(with_nonce "$(look_value instance "$look_json")"); do tell "$number"; done
}

main "$@" </dev/null
