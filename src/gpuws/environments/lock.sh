# shellcheck shell=sh
# shellcheck disable=SC2034 # lock_* are read by the scripts after it
# Who builds. The newest lock.N of a build folder is a symlink whose target is its owner's record,
# "NODE BOOT PID ENGINE UNIT RUN": made whole or not at all, also on NFS. The newest is never
# removed and no number comes back, so when several find a stale owner only one can follow it.

lock_number=0
lock_node=''
lock_boot=''
lock_pid=''
lock_engine=''
lock_unit=''
lock_run=''

this_node() { uname -n | tr ' ' '_'; }

this_boot() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || printf 'unknown\n'; }

nap() { sleep 0.2 2>/dev/null || sleep 1; }

link_target() {
  # shellcheck disable=SC2012 # where there is no readlink
  readlink "$1" 2>/dev/null || ls -ld "$1" 2>/dev/null | sed 's/^.* -> //'
}

# newest_lock BUILD: read the newest owner's record into lock_*.
newest_lock() {
  lock_number=0
  for l_link in "$1"/lock.*; do
    [ -L "$l_link" ] || continue
    l_number=${l_link##*.}
    case $l_number in '' | *[!0-9]*) continue ;; esac
    [ "$l_number" -le "$lock_number" ] || lock_number=$l_number
  done
  l_record=''
  [ "$lock_number" -eq 0 ] || l_record=$(link_target "$1/lock.$lock_number")
  read -r lock_node lock_boot lock_pid lock_engine lock_unit lock_run <<END
$l_record
END
}

# end_engine: the newest owner's engine and its folder of sockets.
end_engine() {
  engine_stop "$lock_run" "$lock_unit"
  rmdir "$lock_run" 2>/dev/null || :
}

# started PID: when a process began, so that a number used again is not taken for it.
started() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# build_process BUILD: the process number of a build that lives, by its own note.
build_process() {
  [ -f "$1/pid" ] || return 1
  read -r b_pid b_start <"$1/pid" 2>/dev/null || return 1
  case $b_pid in '' | *[!0-9]*) return 1 ;; esac
  kill -0 "$b_pid" 2>/dev/null || return 1
  [ "$(started "$b_pid")" = "$b_start" ] || return 1
  printf '%s\n' "$b_pid"
}

# elsewhere: the owner is on another node that shares this folder; only signs of life can be seen.
elsewhere() { [ "$lock_number" -gt 0 ] && [ "$lock_node" != "$(this_node)" ]; }

# beyond BUILD: the owner is on another machine, and its build may go on there: not where the disk with
# it has come here since.
beyond() { elsewhere && { [ "$lock_boot" = "$(this_boot)" ] || ! one_kernel "$1"; }; }

# lives BUILD: whether the owner of the newest lock builds now. Asked of the engine first.
# One that has written how it ended is over, although its process may take a moment to go.
lives() {
  [ "$lock_number" -gt 0 ] || return 1
  [ "$(cut -d ' ' -f 1 "$1/state" 2>/dev/null)" = running ] || return 1
  if beyond "$1"; then
    [ -n "$(find "$1" -name build.log -mmin -30 2>/dev/null)" ]
    return
  fi
  [ "$lock_boot" = "$(this_boot)" ] || return 1
  engine_alive "$lock_run" "$lock_unit" || build_process "$1" >/dev/null
}

# starting: the owner took the lock and its script is about to start the engine.
starting() {
  ! elsewhere && [ "$lock_boot" = "$(this_boot)" ] && [ "$lock_pid" != "$$" ] &&
    kill -0 "$lock_pid" 2>/dev/null
}

# leftovers BUILD: processes that carry this build's name in their environment.
leftovers() {
  grep -lF "GPUWS_BUILD=$1" /proc/[0-9]*/environ 2>/dev/null |
    sed 's,^/proc/\([0-9]*\)/environ$,\1,'
}

# end_leftovers BUILD: end them, and whatever they start meanwhile.
end_leftovers() {
  for e_round in 1 2 3 4 5 6 7 8 9 10; do
    e_found=$(leftovers "$1")
    [ -n "$e_found" ] || return 0
    for e_pid in $e_found; do kill -KILL "$e_pid" 2>/dev/null || :; done
    [ "$e_round" -eq 1 ] || nap
  done
  die locked "processes of an earlier build do not end: $(leftovers "$1" | tr '\n' ' ')" \
    "look at them with ps on the host, then run the command again"
}

# check_hash HASH: nothing else may become part of a path.
check_hash() {
  case $1 in
  '' | *[!0-9a-f]*) die bug "not the hash of an environment: $1" ;;
  esac
}

# remove_partial ROOT HASH: a prefix without its marker, and nothing else, is taken away.
remove_partial() {
  r_prefix=$1/envs/$2
  [ ! -e "$r_prefix/.gpuws-complete" ] || return 0
  for r_path in "$1/envs" "$r_prefix"; do
    [ ! -L "$r_path" ] || die not-ours "$r_path is a link; gpuws removes nothing through links" \
      "move it away, or choose another root: in hosts.yaml"
  done
  [ -e "$r_prefix" ] || return 0
  rm -rf -- "$r_prefix" 2>/dev/null || {
    chmod -R u+rwX "$r_prefix" 2>/dev/null || :
    rm -rf -- "$r_prefix" 2>/dev/null || :
  }
  [ ! -e "$r_prefix" ] || die environment-failed "cannot remove the unfinished $r_prefix" \
    "remove it on the host, then run the command again"
  say removed "$r_prefix"
}
