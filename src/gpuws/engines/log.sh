# shellcheck shell=sh
# shellcheck disable=SC2154 # folder: folders.sh
# log.sh ROOT NAME OFFSET TAIL BUILD: whole lines from OFFSET on; from -1 the last TAIL lines.
# A log that is shorter than OFFSET was begun anew: then from its first line.
LIMIT=262144 # bytes of one answer

main() {
  known_workspace "$1" "$2"
  file=$folder/jupyter.log
  if [ "$5" = 1 ]; then
    look_json=$(look_line "$folder/workspace.json")
    hash=$(look_value prefix "$look_json")
    hash=${hash##*/}
    case $hash in
    '' | *[!0-9a-f]*) die environment-not-found "gpuws did not build this environment" ;;
    esac
    file=$1/builds/$hash/build.log
  fi
  if [ ! -f "$file" ] || [ -L "$file" ]; then
    say offset 0
    return 0
  fi
  size=$(wc -c <"$file")
  size=$((size))
  offset=$3
  [ "$offset" -le "$size" ] || offset=0
  if [ "$offset" -lt 0 ]; then
    say offset "$size"
    head -c "$size" "$file" | tail -n "$4" | tail -c "$LIMIT" | sed 's/^/log	/'
    return 0
  fi
  part=$(tail -c "+$((offset + 1))" "$file" | head -c "$LIMIT" && echo .)
  part=${part%.}
  whole=${part%"$NL"*}
  [ "$whole" != "$part" ] || {
    say offset "$offset"
    return 0
  }
  say offset "$((offset + ${#whole} + 1))"
  printf '%s\n' "$whole" | sed 's/^/log	/'
}

main "$@" </dev/null
