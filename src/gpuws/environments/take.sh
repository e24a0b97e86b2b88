# shellcheck shell=sh
# shellcheck disable=SC2154 # download.sh sets scratch and download_reason
# From the first source that has it into tools/bin. The script after it says how one kind of archive
# is found and opened:
#   find_archive SOURCE  sets found_url, found_sha256 and found_name; else status 1 and a "miss" line
#   can_unpack           whether the host has what opens such an archive
#   unpack FILE          into $scratch/out; sets binary to the tool in it, or status 1

# take_first TOOL LACKING SOURCE...: answers path, version and from, or "miss" lines only. One that
# was brought since the laptop looked is taken as it is.
# LACKING: what the host has none of when nothing there can open such an archive.
take_first() {
  t_tool=$1 t_lacking=$2
  shift 2
  if [ -x "$root/tools/bin/$t_tool" ]; then
    try_tool "$t_tool"
    return 0
  fi
  mkdir -p "$root" 2>/dev/null || die no-root-folder "cannot make the folder $root"
  make_scratch
  trap 'rm -rf "$scratch"' EXIT
  if ! can_unpack; then
    say miss "the host has $t_lacking"
    return 0
  fi
  for t_source in "$@"; do
    if find_archive "$t_source" && take; then
      try_tool "$t_tool"
      return 0
    fi
  done
}

# take: what find_archive has found. Status 1, with a "miss" line, where it cannot be had.
take() {
  if ! download "$found_url" "$scratch/archive"; then
    say miss "$found_name: $download_reason"
    return 1
  fi
  check_sha256 "$scratch/archive" "$found_sha256" "$found_name" || return 1
  mkdir -p "$scratch/out"
  if ! unpack "$scratch/archive"; then
    say miss "$found_name: it cannot be unpacked on the host"
    return 1
  fi
  place "$binary" "$t_tool"
  say from "$found_name"
}
