# shellcheck shell=sh disable=SC2034,SC2154  # variables are shared with the other parts
# Part of the probe: the root folder, the folder for sockets, what gpuws left there.

tell_root() {
  near=
  fs_of=
  folder_state "$root"
  say root_state "$state"
  nearest "$root"
  if may_write "$near"; then say root_writable yes; else say root_writable no; fi
  tell_space
  tell_run_base
  tell_leftovers
  (look_workspaces "$root")
  [ "$tokens" != 1 ] || (look_tokens "$root" "")
}

# The folder that a group shares (shared.sh), and the environments in it.
tell_shared() {
  shared_state "$shared"
  say shared_state "$s_state"
  say shared_owner "$s_owner"
  say shared_group "$s_team"
  [ "$s_state" = usable ] || return 0
  if may_write "$shared"; then say shared_writable yes; else say shared_writable no; fi
  fs_of=
  filesystem_of "$shared"
  say shared_fs "$fs"
  shared_prefixes "$shared"
}

may_write() { [ -d "$1" ] && [ -w "$1" ] && [ -x "$1" ]; }

# nearest PATH: sets near to PATH or the closest folder above it that exists.
nearest() {
  near=$1
  while [ ! -e "$near" ] && [ ! -L "$near" ]; do
    near=${near%/*}
    near=${near:-/}
  done
}

# folder_state PATH: sets state to absent, private, open (to a group or to all), foreign (another
# user's), link or file, without following a link.
folder_state() {
  if [ -L "$1" ]; then
    state='link'
  elif [ ! -e "$1" ]; then
    state=absent
  elif [ ! -d "$1" ]; then
    state='file'
  elif [ ! -O "$1" ]; then
    state=foreign
  else
    case $(ls -ld "$1") in
    d???------*) state=private ;;
    *) state=open ;;
    esac
  fi
}

tell_space() {
  filesystem_of "$near"
  say root_fs "$fs"
  case $blocks$size in
  *[!0-9]* | "") tell_space_by_df ;;
  # as with inodes: what counts no blocks is not "full"
  *) [ "${blocks_total:-0}" = 0 ] || say disk_free_mb "$((blocks * size / 1048576))" ;;
  esac
  # btrfs, NFS and others count no inodes: 0 of 0 is not "full"
  [ "${inodes_total:-0}" = 0 ] || say inodes_free "$inodes"
}

# filesystem_of PATH: sets fs, and where stat(1) can tell blocks, size, inodes and both totals.
filesystem_of() {
  [ "$1" != "$fs_of" ] || return 0
  fs_of=$1
  told=$(stat -f -c '%a %S %d %c %b %T' "$1" 2>/dev/null) || told=
  # shellcheck disable=SC2086
  set -- $told
  blocks=${1:-} size=${2:-} inodes=${3:-} inodes_total=${4:-} blocks_total=${5:-}
  fs=${told#* * * * * }
}

tell_space_by_df() {
  told=$(df -kP "$near" 2>/dev/null) || return 0
  told=${told##*"$NL"}
  # the mount point may have spaces and percent signs: only what stands before the first one counts
  told=${told%%\%*}
  told=${told% *}
  told=${told%"${told##*[0-9]}"}
  case ${told##* } in
  "" | *[!0-9]*) ;;
  *) say disk_free_mb "$((${told##* } / 1024))" ;;
  esac
}

# The first folder for sockets: on a local filesystem, own and 0700 or still to be made, and short
# enough for <folder>/w-12345678/jupyter.sock to stay within 100 bytes.
tell_run_base() {
  lasting=
  [ -z "${XDG_RUNTIME_DIR:-}" ] || ! lingers || lasting=$XDG_RUNTIME_DIR/gpuws
  for base in "$root/run" "$lasting" "/var/tmp/gpuws-$uid" "/tmp/gpuws-$uid" \
    "/dev/shm/gpuws-$uid"; do
    suits "$base" || continue
    say run_base "$base"
    [ "$state" = absent ] || say run_base_exists yes
    return 0
  done
}

suits() {
  case $1 in /*) ;; *) return 1 ;; esac
  [ ${#1} -le 76 ] || return 1
  folder_state "$1"
  case $state in private | absent) ;; *) return 1 ;; esac
  nearest "$1"
  may_write "$near" || return 1
  filesystem_of "$near"
  ! is_remote "$fs"
}

# is_remote TYPE: filesystems on which sockets do not work, or work from one node only.
is_remote() {
  case $1 in
  nfs* | cifs | smb* | afs | lustre | gpfs | ceph | fuse* | v9fs | 9p | panfs | ocfs2 | pvfs2) ;;
  orangefs | vboxsf | vmhgfs | *19830326*) ;; # the last is BeeGFS, which stat(1) has no name for
  *) return 1 ;;
  esac
}

# What a tool of ours lies in is no environment of the user's.
tell_leftovers() {
  tools=$(readlink "$root/tools/tmux" 2>/dev/null) || tools=
  for each in "$root"/envs/*/.gpuws-complete; do
    [ -f "$each" ] || continue
    each=${each%/.gpuws-complete}
    [ "${each##*/}" != "${tools##*/}" ] || continue
    if [ -L "$each" ]; then
      to=$(readlink "$each" 2>/dev/null) || continue
      say current "${each##*/}	${to##*/}"
    else
      marker=
      IFS= read -r marker <"$each/.gpuws-complete" || :
      say prefix "${each##*/}	$marker"
    fi
  done
  for each in "$root"/builds/*/state; do
    { [ -f "$each" ] && [ -r "$each" ]; } || continue
    word=
    read -r word _ <"$each" || :
    each=${each%/state}
    names=
    for name in "$each"/wanted-*; do
      [ ! -f "$name" ] || names="$names ${name##*/wanted-}"
    done
    say build "${each##*/}	$word	${names# }"
  done
}
