# shellcheck shell=sh
# place.sh ROOT HASH: the tmux of that environment becomes the one that sessions run in, if it runs
# here. Answers its path and version. Safe to repeat.
main() {
  root=$1 new=$1/envs/$2
  said=$(limited 10 "$new/bin/tmux" -V 2>&1 </dev/null) ||
    die unsupported-platform "the tmux that was brought does not run on the host: $said"
  mkdir -p "$root/tools" 2>/dev/null || die no-root-folder "cannot make the folder $root/tools"
  point "$root/tools/tmux" "../envs/$2" || die not-ours "$root/tools/tmux is there and is no link"
  rm -f "$root/tools/tmux.missed"
  say path "$root/tools/tmux/bin/tmux"
  say version "${said#* }"
}

main "$@" </dev/null
