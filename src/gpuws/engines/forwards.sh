# shellcheck shell=sh
# shellcheck disable=SC2154 # folder: folders.sh
# forwards.sh ROOT NAME FORWARD [WORDS]: remember a forward with its workspace, or forget it where
# there are no words. One a line: FORWARD<TAB>WORDS. Answers: known yes|no, whether it was there.

MOST=16 # of one workspace

# others FORWARD: the lines of the rest.
others() {
  look_forwards "$folder" | while IFS='	' read -r _ _ other words; do
    [ "$other" = "$1" ] || printf '%s\t%s\n' "$other" "$words"
  done
}

main() {
  known_workspace "$1" "$2"
  hold "$folder"
  before=$(look_forwards "$folder")
  lines=$(others "$3")
  case $before in *"	$3	"*) say known yes ;; *) say known no ;; esac
  if [ -n "${4:-}" ]; then
    [ "$(printf '%s' "$lines" | grep -c .)" -lt "$MOST" ] ||
      die forward-exists "the workspace has $MOST forwards already" "gpuws forward rm ends one"
    lines="${lines:+$lines$NL}$3	$4"
  fi
  if [ -n "$lines" ]; then write "$folder/forwards" 600 "$lines$NL"; else rm -f "$folder/forwards"; fi
}

main "$@" </dev/null
