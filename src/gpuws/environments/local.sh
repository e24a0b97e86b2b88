# shellcheck shell=sh
# local.sh ROOT HASH look|place [NUMBER KIND WHERE SUM]...: code of the laptop, before it is built.
# KIND archive: WHERE is the file that is kept, SUM its sha256. folder: WHERE is where it is unpacked
# to. editable: WHERE is where it lives, SUM the sha256 of what declares the project.
# look answers lacks NUMBER, kept NUMBER (it has files already) or differs NUMBER. place unpacks
# builds/HASH/local/NUMBER.tar.gz and leads to the archives.

folders() {
  for f_path in "$root" "$root/builds" "$build" "$build/local"; do
    mkdir -p "$f_path" 2>/dev/null || die no-root-folder "cannot make the folder $f_path" \
      "df -h says whether the disk is full; root: in hosts.yaml names another place"
    [ "$f_path" = "$root" ] || [ ! -L "$f_path" ] || die not-ours "$f_path is a link"
  done
  mark_root
}

# declares FOLDER: what code_files.DECLARING names, however its lines end.
declares() {
  for d_name in pyproject.toml setup.cfg setup.py; do
    [ -f "$1/$d_name" ] || continue
    printf '%s\n' "$d_name"
    tr -d '\r' <"$1/$d_name"
  done
}

is_empty() { [ ! -e "$1" ] || { [ -d "$1" ] && [ -z "$(ls -A "$1")" ]; }; }

look() {
  case $2 in
  archive) touch -c "$3" 2>/dev/null && [ -f "$3" ] || say lacks "$1" ;;
  folder) [ -d "$3" ] || say lacks "$1" ;;
  editable) look_editable "$1" "$3" "$4" ;;
  esac
}

look_editable() {
  if is_empty "$2"; then
    say lacks "$1"
    return 0
  fi
  [ -d "$2" ] || die not-ours "$2 is no folder, and an editable is to live there" \
    "move it away, or name another folder with --dir"
  e_sum=$(declares "$2" | sha256_of /dev/stdin)
  if [ -n "$e_sum" ] && [ "$e_sum" != "$3" ]; then say differs "$1"; else say kept "$1"; fi
}

place() {
  case $2 in
  archive) place_archive "$1" "$3" "$4" ;;
  folder) [ -d "$3" ] || unpack "$1" "$3" ;;
  editable) ! is_empty "$3" || unpack "$1" "$3" ;;
  esac
}

place_archive() {
  a_sum=$(sha256_of "$2")
  if [ -n "$a_sum" ] && [ "$a_sum" != "$3" ]; then
    rm -f "$2"
    die wrong-hash "$2 was spoiled since it was sent" "run again: it is sent anew"
  fi
  mkdir -p "$build/local/$1"
  ln -sf "$2" "$build/local/$1/${2##*/}"
}

# unpack NUMBER FOLDER: beside it first, so that a half-sent project is never taken for one. A folder
# that is there and empty stays the same one: somebody may be in it.
unpack() {
  u_sent=$build/local/$1.tar.gz u_part=${2%/*}/.gpuws-$1.$$
  { have tar && have gzip; } || die unsupported-platform \
    "the host has no tar or no gzip, and a project's folder travels in both" \
    "a wheel needs neither: pip wheel --no-deps FOLDER makes one here"
  { mkdir -p "${2%/*}/" && mkdir "$u_part"; } 2>/dev/null ||
    die read-only "cannot make the folder $2" "ls -ld ${2%/*}/; --dir names another place"
  if ! (cd "$u_part" && gzip -dc "$u_sent" | tar -xof -) 2>/dev/null; then
    rm -rf "$u_part"
    die disk-full "$2 cannot be unpacked" "df -h, df -i, and the quota of that folder say why"
  fi
  if [ -d "$2" ]; then
    for u_path in "$u_part"/* "$u_part"/.[!.]* "$u_part"/..?*; do
      [ ! -e "$u_path" ] && [ ! -L "$u_path" ] || mv "$u_path" "$2/"
    done
    rmdir "$u_part"
  else
    mv "$u_part" "$2"
  fi
  rm -f "$u_sent"
}

main() {
  root=$1 hash=$2 step=$3
  shift 3
  check_hash "$hash"
  build=$root/builds/$hash
  folders
  while [ $# -ge 4 ]; do
    "$step" "$1" "$2" "$3" "$4"
    shift 4
  done
}

main "$@" </dev/null
