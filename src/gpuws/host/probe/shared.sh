# shellcheck shell=sh
# A folder in which the members of a group share environments: whether it, and what lies in it, may
# be used. For the probe, and for what builds and removes there; docs/decisions/0018 has the reasons.
# Nothing here follows a link.

# shared_status PATH: sets s_mode (as ls writes it), s_uid, s_gid, and the names s_owner and s_team.
shared_status() {
  s_told=$(ls -ldn -- "$1" 2>/dev/null && ls -ld -- "$1" 2>/dev/null) || return 1
  s_named=${s_told#*"$NL"}
  set -f
  # shellcheck disable=SC2086 # the fields of a line
  set -- ${s_told%%"$NL"*}
  s_mode=$1 s_uid=$3 s_gid=$4
  # shellcheck disable=SC2086
  set -- $s_named
  set +f
  s_owner=$3 s_team=$4
}

# shared_member: the owner that shared_status has set is root or in the folder's group. Somebody who
# has left the group is not, nor is an account that is gone.
shared_member() {
  case $s_members in *" $s_uid "*) return 0 ;; esac
  for s_group in $(id -G -- "$s_owner" 2>/dev/null); do
    if [ "$s_group" = "$s_common" ]; then
      s_members="$s_members$s_uid "
      return 0
    fi
  done
  return 1
}

# shared_state PATH: sets s_state to usable, absent, link, file, open (everybody may write), closed
# (no folder of a group: chmod 2770), shut (to us), outsider (its owner is not in its group), exposed
# (others may put another folder in its place) or planted (something in it is not the group's); also
# s_common (the group's number), s_bits (the mode of folders made there), s_owner, s_team.
shared_state() {
  s_members=' 0 ' s_common='' s_bits=2770 s_owner='' s_team=''
  s_state=absent
  if [ -L "$1" ]; then s_state='link'; elif [ -e "$1" ] && [ ! -d "$1" ]; then s_state='file'; fi
  { [ "$s_state" = absent ] && shared_status "$1"; } || return 0
  s_common=$s_gid
  case $s_mode in d??????r-[xt]*) s_bits=2775 ;; esac
  case $s_mode in d????????[tT]*) s_bits=3${s_bits#2} ;; esac
  s_heads=$s_owner s_teams=$s_team
  shared_worth "$1"
  s_owner=$s_heads s_team=$s_teams
}

shared_worth() {
  s_state=usable
  case $s_mode in
  d???????w*) s_state=open ;;
  d????ws*) shared_member || s_state=outsider ;;
  *) s_state=closed ;;
  esac
  [ "$s_state" = usable ] || return 0
  if [ ! -r "$1" ] || [ ! -x "$1" ]; then
    s_state=shut
  elif shared_exposed "$1" || shared_exposed "$(cd -P -- "$1" && pwd -P)"; then
    s_state=exposed
  elif ! shared_inside "$1/envs" || ! shared_inside "$1/builds"; then
    s_state=planted
  fi
}

# shared_exposed PATH: somebody outside the group owns a folder above it, or may rename in one.
shared_exposed() {
  s_above=$1
  while [ "$s_above" != / ]; do
    s_above=${s_above%/*}
    s_above=${s_above:-/}
    shared_status "$s_above" || return 0
    shared_member || [ "$s_uid" = "$(id -u)" ] || return 0
    case $s_mode in
    l* | d????????[tT]*) ;; # in a sticky folder only owners rename
    d???????w*) return 0 ;;
    d????w*) [ "$s_gid" = "$s_common" ] || [ "$s_gid" = 0 ] || return 0 ;;
    esac
  done
  return 1
}

# shared_inside PATH: nothing is there yet, or a folder of the group that nobody else may write.
shared_inside() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  shared_status "$1" || return 1
  case $s_mode in d???????-*) ;; *) return 1 ;; esac
  [ "$s_gid" = "$s_common" ] && shared_member
}

# shared_fault PREFIX: sets s_fault to why this complete environment is not to be used, "" where it
# is; s_owner is whose it is. After shared_state.
shared_fault() {
  s_fault=''
  for s_each in "$1/.gpuws-complete" "$1"; do
    shared_status "$s_each" || {
      s_fault='it has gone'
      return 0
    }
    case $s_mode in
    l*) s_fault='a link is there' ;;
    [d-]????-??-*) shared_member || s_fault="it belongs to $s_owner, who is not in the group" ;;
    *) s_fault='others may write in it' ;;
    esac
    [ -z "$s_fault" ] || return 0
  done
}

# shared_prefixes PATH: shared_prefix HASH<TAB>OWNER<TAB>FAULT<TAB>MARKER for each with a marker.
shared_prefixes() {
  for s_path in "$1"/envs/*/.gpuws-complete; do
    [ -f "$s_path" ] || continue
    s_marker=''
    IFS= read -r s_marker <"$s_path" 2>/dev/null || :
    [ "${#s_marker}" -le 1000 ] || s_marker=''
    s_path=${s_path%/.gpuws-complete}
    shared_fault "$s_path"
    say shared_prefix "${s_path##*/}	$s_owner	$s_fault	$s_marker"
  done
}
