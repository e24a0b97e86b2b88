# shellcheck shell=sh
# shellcheck disable=SC2154 # look_* are set by look.sh

# users ROOT HASH: numbers of the processes that run from an environment or were started in it, also
# through a link to it. Those of others can be seen by root alone.
users() {
  u_prefix=$1/envs/$2
  {
    # the patterns come on stdin: in an argument grep would find itself
    # shellcheck disable=SC2062 # these are files
    users_names "$1" "$2" | grep -lF -f - /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || :
    # shellcheck disable=SC2012 # where there is no readlink
    ls -ld /proc/[0-9]*/exe 2>/dev/null | sed -n 's,^.* \(/proc/[0-9]*/exe\) -> ,\1 ,p' |
      while read -r u_file u_target; do
        case $u_target in "$u_prefix"/*) printf '%s\n' "$u_file" ;; esac
      done
  } | cut -d / -f 3 | sort -un
}

users_names() {
  printf '%s/envs/%s/\n' "$1" "$2"
  for u_link in "$1"/envs/*; do
    [ -L "$u_link" ] && [ "$(link_target "$u_link")" = "$2" ] || continue
    printf '%s/\n' "$u_link"
  done
}

# tools_of ROOT HASH: names of gpuws's own tools that live in an environment.
tools_of() {
  for t_link in "$1"/tools/*; do
    [ -L "$t_link" ] && [ "$(link_target "$t_link")" = "../envs/$2" ] || continue
    printf '%s\n' "${t_link##*/}"
  done
}

# building BUILD: a build of it runs, on this node or as far as can be seen from it.
building() {
  newest_lock "$1"
  [ "$lock_number" -gt 0 ] || return 1
  if beyond "$1"; then
    lives "$1"
  else
    build_process "$1" >/dev/null || starting
  fi
}
