# shellcheck shell=sh disable=SC2034,SC2154  # variables are shared with the other parts
# Part of the probe: the login's home, the C library, what ends processes, limits.

tell_home() {
  fs_of=
  filesystem_of "$home"
  say home_fs "$fs"
  if may_write "$home"; then say home_writable yes; else say home_writable no; fi
  tell_libc
  tell_logind
  tell_noexec
  tell_quota
}

lingers() { [ -e "/var/lib/systemd/linger/$user" ]; }

# Asked of the files that logind itself goes by: loginctl needs a bus and 20 ms for the same.
tell_logind() {
  [ -d /run/systemd/system ] || return 0
  if lingers; then say linger yes; else say linger no; fi
  # the last one counts; a drop-in beats the main file
  told=$(sed -n 's/^ *KillUserProcesses *= *//p' /usr/lib/systemd/logind.conf \
    /etc/systemd/logind.conf /usr/lib/systemd/logind.conf.d/*.conf \
    /run/systemd/logind.conf.d/*.conf /etc/systemd/logind.conf.d/*.conf 2>/dev/null) || :
  case ${told##*"$NL"} in
  [Yy]es | [Tt]rue | [Oo]n | 1) say kill_user_processes yes ;;
  *) say kill_user_processes no ;;
  esac
}

tell_noexec() {
  [ -r /proc/mounts ] || return 0
  grep -E '^[^ ]+ (/tmp|/var/tmp|/dev/shm) ' /proc/mounts | while read -r _ place _ options _; do
    case ,$options, in
    *,noexec,*) say tmp_noexec "$place" ;;
    esac
  done
}

# `quota -wp` prints one line a filesystem: name, used KiB (a * marks too much), soft, hard limit.
tell_quota() {
  find_tool quota || return 0
  within 5 "$found" -w 2>/dev/null | while read -r name used soft hard _; do
    used=${used%\*}
    case $used$soft$hard in
    *[!0-9]* | "") continue ;;
    esac
    [ "$soft" != 0 ] || soft=$hard
    [ "$soft" = 0 ] || say quota "$name	$used	$soft"
  done
}
