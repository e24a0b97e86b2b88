# shellcheck shell=sh
# sent.sh ROOT NAME folder|try: make the folder for a tool that the laptop sends; see whether it runs.
main() {
  root=$1
  case $3 in
  folder)
    mkdir -p "$root/tools/bin" 2>/dev/null || die no-root-folder "cannot make $root/tools/bin" \
      "df -h on the host says whether the disk is full"
    mark_root
    ;;
  try) try_tool "$2" ;;
  esac
}

main "$@" </dev/null
