# shellcheck shell=sh
# upload.sh PATH SIZE MODE: what follows the script on stdin becomes PATH, in one step.

main() {
  folder=${1%/*}
  if [ "$folder" != "$1" ] && [ -n "$folder" ]; then
    mkdir -p "$folder" 2>/dev/null || die read-only "cannot make the folder $folder" "ls -ld $folder"
  fi
  part=$1.part.$$
  trap 'rm -f "$part"' EXIT # does not run when a broken pipe ends us, so errors remove it first
  if ! cat <&3 >"$part"; then
    rm -f "$part"
    die disk-full "cannot write $part" "df -h, df -i, and the quota of that folder say why"
  fi
  size=$(wc -c <"$part")
  size=$((size))
  if [ "$size" -ne "$2" ]; then
    rm -f "$part"
    die connection-lost "$size of $2 bytes arrived" "run again"
  fi
  chmod "$3" "$part"
  mv -f "$part" "$1" || die read-only "cannot replace $1" "ls -ld $1"
  trap - EXIT
  say size "$size"
}

main "$@" 3<&0 </dev/null
