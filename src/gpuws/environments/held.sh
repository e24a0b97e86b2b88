# shellcheck shell=sh
# shellcheck disable=SC2154 # archive is set by archives.sh
# held.sh ROOT [SHA256 FILE]...: which archives are on the host already. Answers, each by its place
# in the list: "have N", or "part N BYTES" where a cut left so much; and "free KB" of the disk.

# keep_a_part: where only receivers have one, a copy of the longest. Such a receiver may wait for
# a laptop that has gone, for as long as sshd does not notice; or it is at work, and goes on.
keep_a_part() {
  k_size=0
  for k_part in "$archive".part.*; do
    [ -f "$k_part" ] || continue
    k_found=$(size_of "$k_part")
    if [ "$k_found" -gt "$k_size" ]; then k_size=$k_found k_longest=$k_part; fi
  done
  [ "$k_size" -gt 0 ] || return 0
  cp "$k_longest" "$archive.part" 2>/dev/null || rm -f "$archive.part"
}

free_kb() {
  # shellcheck disable=SC2046 # the fields of the last line
  set -- $(limited 10 df -kP "$(there "$root")" 2>/dev/null | tail -n 1)
  [ -z "${4:-}" ] || say free "$4"
}

main() {
  root=$1
  shift
  h_at=0
  while [ $# -ge 2 ]; do
    h_at=$((h_at + 1))
    archive "$1" "$2"
    if [ -f "$archive" ]; then
      touch -c "$archive" 2>/dev/null || : # spare.sh leaves it alone for an hour
      say have "$h_at"
    else
      [ -f "$archive.part" ] || keep_a_part
      [ ! -f "$archive.part" ] || say part "$h_at $(size_of "$archive.part")"
    fi
    shift 2
  done
  free_kb
}

main "$@" </dev/null
