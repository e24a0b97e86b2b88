# shellcheck shell=sh
# shellcheck disable=SC2154 # folder and archive are set by archives.sh
# receive.sh ROOT: archives into ROOT/cache/archives. What follows the script on stdin is, for each,
# a line "SHA256 OFFSET SIZE FILE", its bytes from OFFSET to SIZE, and a line ".". With an OFFSET it
# goes on where FILE.part ends.
# Answers by sha256: "kept", "unchecked" (kept, but nothing here can compute sha256), "wrong" (thrown
# away), "again" (the part is not what was asked about any more: nothing was kept).

# claim OFFSET: the part is this receiver's alone from now on. Status 1 where it is not as asked.
claim() {
  part=$archive.part.$$
  if [ "$1" -eq 0 ]; then
    printf '' >"$part" 2>/dev/null || no_room # with ":" a failure would end the shell
  else
    mv "$archive.part" "$part" 2>/dev/null && [ "$(size_of "$part")" -eq "$1" ]
  fi
}

# copy COUNT FILE: so many bytes of the stream behind FILE; fewer where the stream ends.
copy() {
  if [ "$dd_waits" ]; then copy_whole "$@"; else copy_pieces "$@"; fi
}

copy_whole() {
  c_blocks=$(($1 / 65536)) c_rest=$(($1 % 65536))
  if [ "$c_blocks" -gt 0 ]; then dd bs=65536 count="$c_blocks" iflag=fullblock <&3 >>"$2" || return 1; fi
  if [ "$c_rest" -gt 0 ]; then dd bs="$c_rest" count=1 iflag=fullblock <&3 >>"$2" || return 1; fi
} 2>/dev/null

# copy_pieces: for a dd that takes a short read for a whole block. It never reads too far, and what
# was short is asked for again; small blocks are seldom short.
copy_pieces() {
  c_left=$1
  while [ "$c_left" -gt 0 ]; do
    c_before=$(size_of "$2")
    c_size=4096
    [ "$c_left" -ge 4096 ] || c_size=$c_left
    dd bs="$c_size" count=$((c_left / c_size)) <&3 >>"$2" || return 1
    c_came=$(($(size_of "$2") - c_before))
    [ "$c_came" -gt 0 ] || return 0
    c_left=$((c_left - c_came))
  done
} 2>/dev/null

# check SHA256 PART ARCHIVE: under its own name only once it is what it should be. Then no part is of
# use any more, whoever fills it: a receiver that finds its own gone has been overtaken.
check() {
  k_found=$(sha256_of "$2")
  if [ -n "$k_found" ] && [ "$k_found" != "$1" ]; then
    rm -f "$2"
    say wrong "$1"
  elif ! mv -f "$2" "$3" 2>/dev/null; then
    [ -f "$3" ] || die read-only "cannot write $3" "ls -ld $3"
    say kept "$1"
  else
    for k_part in "$3".part*; do [ ! -e "$k_part" ] || rm -f "$k_part"; done
    if [ -n "$k_found" ]; then say kept "$1"; else say unchecked "$1"; fi
  fi
}

no_room() {
  n_code=read-only n_probe=$(there "$folder")/full.$$
  ! is_full "$n_probe" || n_code=disk-full
  rm -f "$n_probe"
  die "$n_code" "cannot write $archive" "df -h, df -i, and the quota of that folder say why"
}

# take SHA256 OFFSET SIZE FILE: status 1 where the stream ended before the end of the archive. Then
# nothing is said: nobody listens, and a broken pipe would end this shell before the part is put by.
take() {
  archive "$1" "$4"
  [ -d "$folder" ] || mkdir -p "$folder" 2>/dev/null || no_room
  t_ours=yes
  claim "$2" || t_ours=''
  copy $(($3 - $2)) "$part" || {
    put_by
    no_room
  }
  if ! read -r t_end <&3 || [ "$t_end" != . ]; then
    put_by
    return 1
  fi
  if [ -z "$t_ours" ]; then
    rm -f "$part"
    say again "$1"
    return 0
  fi
  [ -z "$checking" ] || wait "$checking" || : # one at a time, while the next arrives
  check "$1" "$part" "$archive" 3<&- &
  checking=$!
}

# put_by: for the next time.
put_by() {
  if [ "$t_ours" ] && [ ! -f "$archive" ]; then
    mv -f "$part" "$archive.part" 2>/dev/null || :
  else
    rm -f "$part"
  fi
}

main() {
  root=$1
  mkdir -p "$root" 2>/dev/null || die no-root-folder "cannot make the folder $root"
  mark_root
  checking='' dd_waits=''
  ! dd if=/dev/null of=/dev/null iflag=fullblock 2>/dev/null || dd_waits=yes
  while read -r r_sha256 r_offset r_size r_file <&3; do
    take "$r_sha256" "$r_offset" "$r_size" "$r_file" || break
  done
  [ -z "$checking" ] || wait "$checking" || :
}

main "$@" 3<&0 </dev/null
