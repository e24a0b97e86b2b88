# shellcheck shell=sh
# shellcheck disable=SC2154 # folder: folders.sh
# log.sh ROOT NAME OFFSET TAIL BUILD: whole lines from OFFSET on; from -1 the last TAIL lines.
# A log that is shorter than OFFSET was begun anew: then from its first line.
LIMIT=262144 # bytes of one answer

# build_log ROOT NAME: sets file to the log of the newest build that was wanted by that name ("": by
# any), or of the environment that the workspace was started with since. A build that failed has left
# no workspace, so it is asked of the builds first.
build_log() {
  [ -z "$2" ] || known_name "$2"
  # shellcheck disable=SC2012,SC2086 # by time; the name is a plain word or a star
  newest=$(ls -dt "$1"/builds/*/wanted-${2:-*} "$1/workspaces/$2/workspace.json" 2>/dev/null |
    head -n 1)
  case $newest in
  */workspace.json) hash=$(look_value prefix "$(look_line "$newest")") && hash=${hash##*/} ;;
  *) hash=${newest#"$1/builds/"} && hash=${hash%/wanted-*} ;;
  esac
  case $hash in
  '' | *[!0-9a-f]*) no_build "$1" "$2" ;;
  esac
  file=$1/builds/$hash/build.log
}

no_build() {
  [ -n "$2" ] || die no-workspace "nothing was built in $1"
  known_workspace "$1" "$2"
  die environment-not-found "gpuws did not build this environment"
}

main() {
  if [ "$5" = 1 ]; then build_log "$1" "$2"; else
    known_workspace "$1" "$2"
    file=$folder/jupyter.log
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
