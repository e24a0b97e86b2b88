# shellcheck shell=sh
# Sent in front of every script. POSIX sh; answers are "key<TAB>value" lines on stdout.
# Every script is one main() { ... } and ends in: main "$@" </dev/null
set -eu
umask 077
LC_ALL=C
export LC_ALL
unalias -a 2>/dev/null || :
NL='
'

# say KEY VALUE: one answer. A newline in the value becomes a space.
say() {
  case $2 in
  *"$NL"*) printf '%s\t%s\n' "$1" "$(printf %s "$2" | tr '\n' ' ')" ;;
  *) printf '%s\t%s\n' "$1" "$2" ;;
  esac
}

# die CODE MESSAGE [HINT]: a refusal; CODE is one of errors.py.
die() {
  printf 'die\t%s\t%s\t%s\n' "$1" "$2" "${3:-}"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# limited SECONDS COMMAND...: with a deadline where the host has timeout(1).
limited() {
  if have timeout; then timeout "$@"; else shift && "$@"; fi
}

# write FILE MODE TEXT: replace a file in one step; the text is written as it is.
write() {
  w_tmp=$1.tmp.$$
  if ! { printf %s "$3" >"$w_tmp" && chmod "$2" "$w_tmp" && mv -f "$w_tmp" "$1"; } 2>/dev/null; then
    w_code=read-only
    ! is_full "$w_tmp" || w_code=disk-full
    rm -f "$w_tmp"
    die "$w_code" "cannot write $1" "df -h, df -i, and the quota of that folder say why"
  fi
}

# point LINK TARGET: make or turn a symlink in one step; status 1 where something else is there.
point() {
  [ ! -e "$1" ] || [ -L "$1" ] || return 1
  ln -s "$2" "$1.new.$$"
  # -T is GNU's; without it, mv would move the link into the folder that the old one points to
  mv -fT "$1.new.$$" "$1" 2>/dev/null || {
    rm -f "$1" "$1.new.$$"
    ln -s "$2" "$1"
  }
}

# is_full FILE: whether it cannot be written for want of room. bash says so; dash says "I/O error",
# then df is asked while the part that found room is still there: also before a try that needs less
# room than what failed.
is_full() {
  ! out_of_room "${1%/*}" || return 0
  case $({ printf '%4096s' '' >"$1"; } 2>&1) in
  *'No space left'* | *[Qq]uota*) return 0 ;;
  esac
  out_of_room "${1%/*}"
}

out_of_room() {
  # shellcheck disable=SC2046 # the fields of the last line
  set -- $(df -kP "$1" 2>/dev/null | tail -n 1)
  [ "${4:-}" = 0 ]
}
