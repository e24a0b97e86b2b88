# shellcheck shell=sh
# What a process is known by: "PID START BOOT" in a plain file of ours. A number that another process
# got since, or before a reboot, is not taken for it.

# look_alive FILE: the process that FILE names ("PID START BOOT") is still that process.
look_alive() {
  look_record=$(look_line "$1")
  case ${look_record%% *} in '' | *[!0-9]*) return 1 ;; esac
  [ "$(look_process "${look_record%% *}")" = "$look_record" ]
}

# look_process PID: "PID START BOOT" of a process of ours; nothing for one that is gone.
look_process() {
  [ -O "/proc/$1" ] || return 0
  look_stat='' look_now=''
  read -r look_stat 2>/dev/null <"/proc/$1/stat" || return 0
  ! [ -r /proc/sys/kernel/random/boot_id ] || read -r look_now </proc/sys/kernel/random/boot_id
  # shellcheck disable=SC2086 # the fields after the name, which may have spaces and brackets
  set -- "$1" ${look_stat##*)}
  case ${2:-Z} in Z | X) return 0 ;; esac
  printf '%s %s %s' "$1" "${21}" "$look_now"
}

# look_line FILE: the first line of a plain file of ours; nothing for a link.
look_line() {
  [ -f "$1" ] && [ ! -L "$1" ] && [ -r "$1" ] || return 0
  look_text=''
  IFS= read -r look_text 2>/dev/null <"$1" || :
  printf '%s' "$look_text"
}
