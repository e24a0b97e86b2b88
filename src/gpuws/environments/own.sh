# shellcheck shell=sh
# shellcheck disable=SC2154 # lock_* are set by lock.sh
# Becoming the one who makes an environment, for the scripts that start to.

# say_complete PREFIX: true where the environment is there.
say_complete() {
  [ -f "$1/.gpuws-complete" ] && [ ! -L "$1" ] || return 1
  say marker "$(head -n 1 "$1/.gpuws-complete")"
  say state complete
}

folders() {
  for f_path in "$1" "$1/envs" "$1/builds" "$1/builds/$2"; do
    mkdir -p "$f_path" 2>/dev/null || die no-root-folder "cannot make the folder $f_path" \
      "df -h says whether the disk is full; root: in hosts.yaml names another place"
  done
  [ ! -L "$1/builds/$2" ] || die not-ours "$1/builds/$2 is a link"
  mark_root
}

# take BUILD RECORD LIVES: 0 when the lock is ours, 1 when LIVES says that somebody else builds.
take() {
  t_rounds=0
  while [ "$t_rounds" -lt 150 ]; do
    t_rounds=$((t_rounds + 1))
    newest_lock "$1"
    if "$3" "$1"; then return 1; fi
    if [ "$3" = lives ] && [ "$t_rounds" -lt 100 ] && starting; then
      nap
      continue
    fi
    t_next=$((lock_number + 1))
    ln -s "$2" "$1/lock.$t_next" 2>/dev/null || continue
    newest_lock "$1"
    [ "$lock_number" -gt "$t_next" ] || return 0
    rm -f "$1/lock.$t_next"
  done
  die locked "another gpuws is starting the build in $1" "run the command again"
}

# older_locks BUILD: those that nobody asks any more.
older_locks() {
  for o_link in "$1"/lock.*; do
    [ "$o_link" = "$1/lock.$lock_number" ] || rm -f "$o_link"
  done
}
