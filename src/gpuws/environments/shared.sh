# shellcheck shell=sh
# shellcheck disable=SC2154 # lock_*: lock.sh; s_*: probe/shared.sh
# shellcheck disable=SC2034 # base is read by the scripts after it
# Who builds in a shared root, among users and nodes. SHARED/builds/HASH is the group's, and sticky:
# lock.N as in lock.sh ("NODE BOOT PID STARTED"), and desk.N of the owner of lock.N alone, where the
# others read its pid, its state and its build.log. What somebody else wrote is compared and shown,
# never acted on: no engine is asked by it, and nothing is signalled.

desk=''

# find_desk COMMON: the newest owner's record into lock_*, and its desk, "" where there is none.
find_desk() {
  desk='' lock_number=0
  [ ! -L "$1" ] || return 0
  newest_lock "$1"
  desk=$1/desk.$lock_number
  if [ ! -d "$desk" ] || [ -L "$desk" ]; then desk=''; fi
}

# desk_line NAME: the first line of a file there.
desk_line() {
  [ -n "$desk" ] && [ -f "$desk/$1" ] && [ ! -L "$desk/$1" ] || return 0
  head -n 1 "$desk/$1" 2>/dev/null | cut -c 1-200 || :
}

# builds_there COMMON: whether the newest owner builds, or is about to.
builds_there() {
  find_desk "$1"
  [ "$lock_number" -gt 0 ] || return 1
  case $(desk_line state) in 'done'* | failed*) return 1 ;; esac # the last that a build writes
  if out_of_sight "$1"; then
    fresh "$1"
    return
  fi
  [ "$lock_boot" = "$(this_boot)" ] || return 1
  d_record=$(desk_line pid)
  is_process "${d_record:-$lock_pid $lock_engine}"
}

# out_of_sight COMMON: on another node, or where /proc hides the processes of others (hidepid).
out_of_sight() {
  if beyond "$1"; then return 0; fi
  [ ! -r /proc/1/stat ] || return 1
  [ -z "$desk" ] || [ ! -O "$desk" ]
}

# fresh COMMON: signs of life of somebody who cannot be seen.
fresh() {
  if [ -z "$desk" ]; then
    [ -n "$(find "$1/lock.$lock_number" -mmin -2 2>/dev/null)" ]
  else
    [ -n "$(find "$desk" -name build.log -mmin -30 2>/dev/null)" ]
  fi
}

# is_process "PID STARTED": that very process runs; whose it is does not matter. One that has ended
# stays a zombie where nobody asks for it.
is_process() {
  d_pid=${1%% *} d_started=${1#* }
  case $d_pid in '' | *[!0-9]*) return 1 ;; esac
  case $(sed 's/^.*) //' "/proc/$d_pid/stat" 2>/dev/null) in Z* | X*) return 1 ;; esac
  [ -n "$d_started" ] && [ "$(started "$d_pid")" = "$d_started" ]
}

# common_folders SHARED HASH: envs, builds and builds/HASH, the group's; else status 1 and s_fault.
common_folders() {
  for d_path in "$1/envs" "$1/builds" "$1/builds/$2"; do
    d_bits=$s_bits
    [ "${d_path##*/}" != "$2" ] || d_bits=3770
    [ -e "$d_path" ] || [ -L "$d_path" ] ||
      (umask 0 && mkdir -m "$d_bits" "$d_path") 2>/dev/null || :
    s_fault="$d_path cannot be written as a folder of the group"
    [ -d "$d_path" ] && [ -w "$d_path" ] && shared_inside "$d_path" || return 1
  done
  s_fault=''
}

# make_desk COMMON: once the lock is ours. The path without links, so that in_desk can compare.
make_desk() {
  desk=$(cd -P -- "$1" && pwd -P)/desk.$lock_number
  s_fault="$desk was there before its time"
  mkdir -m 2750 "$desk" 2>/dev/null && (in_desk && : >build.log && chmod 640 build.log) || return 1
  s_fault=''
}

# in_desk: go there, if it is still the folder that we made.
in_desk() { cd -P -- "$desk" 2>/dev/null && [ "$(pwd -P)" = "$desk" ] && [ -O . ]; }

# clear_way SHARED HASH: what a builder that is gone has left is removed where we may, else put
# aside: its owner removes it with the next build there. Status 1 and s_fault where neither can be.
clear_way() {
  d_prefix=$1/envs/$2 d_aside=$1/envs/.left-$2.$lock_number
  [ -e "$d_prefix" ] || [ -L "$d_prefix" ] || return 0
  s_fault="what is at $d_prefix is no unfinished environment"
  [ -d "$d_prefix" ] && [ ! -L "$d_prefix" ] && [ ! -e "$d_prefix/.gpuws-complete" ] || return 1
  (remove_partial "$1" "$2") >/dev/null 2>&1 || :
  [ -e "$d_prefix" ] || return 0
  s_fault="$d_prefix is unfinished, and only its owner can remove it"
  [ ! -e "$d_aside" ] && [ ! -L "$d_aside" ] && mv "$d_prefix" "$d_aside" 2>/dev/null || return 1
  s_fault=''
}

# clear_own SHARED: what others put aside of ours.
clear_own() {
  for d_path in "$1"/envs/.left-*; do
    if [ -d "$d_path" ] && [ ! -L "$d_path" ] && [ -O "$d_path" ]; then
      chmod -R u+rwX "$d_path" 2>/dev/null || :
      rm -rf -- "$d_path" 2>/dev/null || :
    fi
  done
}

# find_base BUILD ROOT: sets base to where this build puts its envs/HASH, and its desk if it has one.
find_base() {
  desk='' base=$2
  [ -s "$1/desk" ] || return 0
  read -r desk <"$1/desk" || :
  base=${desk%/builds/*}
}

# tell BUILD NAME TEXT: into the build's own folder, and to those who wait for it.
tell() {
  write "$1/$2" 600 "$3"
  [ -z "$desk" ] || (in_desk && write "$2" 640 "$3") >/dev/null 2>&1 || :
}
