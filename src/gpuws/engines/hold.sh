# shellcheck shell=sh
# Who changes a workspace. The newest lock.N is a symlink whose target is its owner's record, "PID
# START BOOT NODE": made whole or not at all, also on NFS. It is held as long as that process lives,
# so nothing has to be released, and the newest is never removed: of several that find a dead owner
# only one can follow it. (A removed lock would let two that saw the same owner both believe so.)

# hold FOLDER: wait for the lock and take it, or refuse.
hold() {
  h_round=0
  [ -n "${look_node:-}" ] || look_here
  h_mine="$(look_process "$$") $look_node"
  while [ "$h_round" -lt 600 ]; do
    hold_newest "$1"
    hold_owner "$1"
    if hold_lives "$1"; then
      h_round=$((h_round + 1))
      sleep 0.05 2>/dev/null || { sleep 1 && h_round=$((h_round + 19)); }
      continue
    fi
    h_next=$((h_number + 1))
    ln -s "$h_mine" "$1/lock.$h_next" 2>/dev/null || {
      h_round=$((h_round + 10))
      [ -w "$1" ] || die read-only "cannot write $1" "df -h and ls -ld say why"
      continue
    }
    hold_newest "$1"
    [ "$h_number" -gt "$h_next" ] || {
      hold_tidy "$1"
      return 0
    }
    rm -f "$1/lock.$h_next"
  done
  die locked "another gpuws changes $1 now (${h_owner:-unknown})" "wait a moment, then run it again"
}

# hold_newest FOLDER: sets h_number.
hold_newest() {
  h_number=0
  for h_link in "$1"/lock.*; do
    [ -L "$h_link" ] || continue
    case ${h_link##*.} in '' | *[!0-9]*) continue ;; esac
    [ "${h_link##*.}" -le "$h_number" ] || h_number=${h_link##*.}
  done
}

# hold_owner FOLDER: sets h_owner to the newest one's record.
hold_owner() {
  h_owner=''
  [ "$h_number" -eq 0 ] || h_owner=$(
    # shellcheck disable=SC2012 # where there is no readlink
    readlink "$1/lock.$h_number" 2>/dev/null || ls -ld "$1/lock.$h_number" | sed 's/^.* -> //'
  )
}

# shellcheck disable=SC2154 # look_boot: look.sh
# hold_lives FOLDER: of another node's owner only the lock's age can be seen, unless it had this disk.
hold_lives() {
  [ "$h_number" -gt 0 ] && [ "$h_owner" != "$h_mine" ] || return 1
  if [ "${h_owner##* }" != "$look_node" ]; then
    case $h_owner in *" $look_boot "*) ;; *) ! one_kernel "$1" || return 1 ;; esac
    [ -n "$(find "$1/lock.$h_number" -mmin -2 2>/dev/null)" ]
    return
  fi
  [ "$(look_process "${h_owner%% *}")" = "${h_owner% *}" ]
}

hold_tidy() {
  for h_link in "$1"/lock.*; do
    [ "$h_link" = "$1/lock.$h_number" ] || rm -f "$h_link"
  done
}
