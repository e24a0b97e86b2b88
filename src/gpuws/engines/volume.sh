# shellcheck shell=sh
# Whose machine wrote what lies in a folder. A disk is mounted by one kernel at a time, so what another
# boot has left there is over. On a file server others may live: of them only signs of life can be seen.

# one_kernel FOLDER: a filesystem that no two kernels have at a time. One that is not known may be any.
one_kernel() {
  case $(stat -f -c %T "$1" 2>/dev/null) in
  ext2/ext3 | xfs | btrfs | zfs | f2fs | jfs | reiserfs | bcachefs | overlayfs | tmpfs | ramfs) ;;
  *) return 1 ;;
  esac
}

# written_at FILE: in seconds since the epoch; 0 where that cannot be told.
written_at() { stat -c %Y "$1" 2>/dev/null || printf 0; }
