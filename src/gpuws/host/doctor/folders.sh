# shellcheck shell=sh
# shellcheck disable=SC2154 # near and what filesystem_of sets are of probe/root.sh
# Part of doctor.sh: what lies under each folder that gpuws would use.

# tell_folder NAME PATH:
# folder<TAB>NAME<TAB>PATH<TAB>FILESYSTEM<TAB>FREE<TAB>TOTAL<TAB>INODES<TAB>exec|noexec<TAB>yes|no
# Sizes in MiB; INODES is -1 where they are not counted; the last says whether it can be written.
tell_folder() {
  case $2 in
  \~/*) set -- "$1" "${HOME:-/}/${2#??}" ;;
  /*) ;;
  *) return 0 ;;
  esac
  nearest "$2"
  filesystem_of "$near"
  case $blocks$size$blocks_total in
  *[!0-9]* | "") f_free=-1 f_total=-1 ;;
  *) f_free=$((blocks * size / 1048576)) f_total=$((blocks_total * size / 1048576)) ;;
  esac
  # what counts no blocks or inodes is not full
  [ "${blocks_total:-0}" != 0 ] || f_free=-1
  [ "${inodes_total:-0}" != 0 ] || inodes=-1
  f_writable=no
  ! may_write "$near" || f_writable=yes
  say folder "$1	$2	$fs	$f_free	$f_total	$inodes	$(runs_programs "$near")	$f_writable"
}

# runs_programs FOLDER: exec or noexec, by the options of its mount.
runs_programs() {
  r_folder=$(cd -P "$1" 2>/dev/null && pwd) || r_folder=$1
  r_best='' r_options=''
  [ -r /proc/mounts ] || return 0
  while read -r _ r_place _ r_more _; do
    case ${r_folder%/}/ in
    "${r_place%/}"/*) [ ${#r_place} -lt ${#r_best} ] || r_best=$r_place r_options=$r_more ;;
    esac
  done </proc/mounts
  case ,$r_options, in
  *,noexec,*) echo noexec ;;
  *) echo exec ;;
  esac
}
