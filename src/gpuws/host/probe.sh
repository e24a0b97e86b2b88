# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables are shared with the probe's parts
# probe.sh ROOT PROLOGUE LOGIN_ENV [TOKENS [SHARED]]: everything `up` must know, in one answer. Writes nothing.
#   ROOT       root folder of gpuws; "" = the path in ~/.gpuws-root, else ~/gpuws
#   PROLOGUE   shell text such as "module load cuda", run before tools are looked for; "" = none
#   LOGIN_ENV  1: take PATH and the conda variables of one login shell
#   TOKENS     1: the workspaces' tokens too
#   SHARED     the folder of shared_root:, "" = none

main() {
  begin
  who=$(id)
  uid=${who#uid=}
  uid=${uid%%[!0-9]*}
  who=${who%% *}
  user=${USER:-$uid} # an uid that no name belongs to is usual in containers
  case $who in *'('*) user=${who#*'('} user=${user%')'} ;; esac
  home=${HOME:-/}
  tokens=${4:-}
  shared=${5:-}
  choose_root "$1"
  # Short answers share a pipe: lines below 4096 bytes are not torn apart. Workspaces may be longer.
  {
    part gpus tell_gpus
    part tools tell_tools "$2" "$3"
    part home tell_home
    [ -z "$shared" ] || part shared tell_shared
    tell_host # while the parts run
  } | {
    left=1
    if part root tell_root | rest "$PATIENCE"; then left=$PATIENCE; fi
    rest "$left" || :
  }
}

tell_host() {
  # one answer in a fixed order: system, name, machine
  # shellcheck disable=SC2046
  set -- $(uname -s -n -m)
  say system "$1"
  say node "$2"
  say machine "$3"
  say user "$user"
  say uid "$uid"
  say home "$home"
  say shell "${SHELL:-}"
  say now "$started"
  say root "$root"
  [ -z "$shared" ] || say shared_root "$shared"
  boot=
  up=
  ! [ -r /proc/sys/kernel/random/boot_id ] || read -r boot </proc/sys/kernel/random/boot_id
  ! [ -r /proc/uptime ] || IFS=' .' read -r up _ </proc/uptime
  say boot_id "$boot"
  [ -z "$up" ] || say boot_time "$((started - up))"
}

tell_libc() {
  libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc=
  case $libc in
  glibc*) say glibc "${libc##* }" ;;
  *) tell_other_libc /lib/ld-musl-* ;;
  esac
}

# tell_other_libc LOADERS: without getconf the loader's own words are the next best.
tell_other_libc() {
  if [ -e "$1" ]; then
    say musl yes
  elif libc=$(within 2 ldd --version 2>/dev/null); then
    libc=${libc%%"$NL"*}
    say glibc "${libc##* }"
  fi
}

# choose_root WANTED: sets root to an absolute path, or refuses.
choose_root() {
  case $home in
  *[[:cntrl:]]*) die no-root-folder "HOME of $user has control characters in it" \
    "gpuws cannot work with such a login; ask the host's administrator" ;;
  /*) ;;
  *) die no-root-folder "HOME of $user is '$home', not a path" "ask the host's administrator" ;;
  esac
  root=$1
  from='root: in hosts.yaml'
  [ -n "$root" ] || read_pointer "$home/.gpuws-root"
  case $root in
  *[[:cntrl:]]*) die no-root-folder "$from has control characters in it" \
    "write a plain path such as ~/gpuws" ;;
  esac
  case $root in
  "") root=$home/gpuws ;;
  \~) root=$home ;;
  \~/*) root=$home/${root#??} ;;
  \~*) die no-root-folder "$from names $root, another user's home" "write the whole path" ;;
  /*) ;;
  *) root=$home/$root ;;
  esac
  while [ "$root" != "${root%/}" ]; do root=${root%/}; done
  case $root/ in
  / | */../* | */./* | *//*)
    die no-root-folder "$from names '$root', which is no plain folder" \
      "write a path without . and .. such as ~/gpuws" ;;
  esac
}

# read_pointer FILE: its first line names the root on every laptop's behalf.
read_pointer() {
  [ -f "$1" ] && [ -r "$1" ] || return 0
  from=$1
  IFS= read -r root <"$1" || :
  [ -n "$root" ] || die no-root-folder "$1 is empty" "write one path into it, or remove it"
}

main "$@" </dev/null
