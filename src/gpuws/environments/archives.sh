# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # what the script after it sets and reads
# Where archives of packages are: ROOT/cache/archives/<2 of sha256>/<sha256>/FILE once it is whole
# and its hash is right, FILE.part where a cut left it, FILE.part.PID while that receiver fills it.

# archive SHA256 FILE: sets folder and archive.
archive() {
  folder=$root/cache/archives/${1%"${1#??}"}/$1
  archive=$folder/$2
}

# size_of FILE: bytes.
size_of() {
  s_size=$(wc -c <"$1")
  printf '%s\n' "$((s_size))"
}

# there FOLDER: it, or the nearest folder above that exists.
there() {
  t_folder=$1
  while [ -n "$t_folder" ] && [ ! -d "$t_folder" ]; do t_folder=${t_folder%/*}; done
  printf '%s\n' "${t_folder:-/}"
}
