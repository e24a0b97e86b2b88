# shellcheck shell=sh

# find_root WANTED: sets root to an absolute path. "" means the one that ~/.gpuws-root names, else
# ~/gpuws. The probe reads the same words the same way.
find_root() {
  root=$1
  if [ -z "$root" ] && [ -f "$HOME/.gpuws-root" ] && [ -r "$HOME/.gpuws-root" ]; then
    IFS= read -r root <"$HOME/.gpuws-root" || :
  fi
  # shellcheck disable=SC2088 # a tilde that somebody wrote
  case $root in
  '') root=$HOME/gpuws ;;
  '~') root=$HOME ;;
  '~/'*) root=$HOME/${root#'~/'} ;;
  /*) ;;
  *) root=$HOME/$root ;;
  esac
  while [ "$root" != "${root%/}" ] && [ "$root" != / ]; do root=${root%/}; done
  case $root/ in
  */../* | */./* | *//* | *[[:cntrl:]]*)
    die no-root-folder "$root is no plain folder" "write an absolute path such as ~/gpuws" ;;
  esac
}
