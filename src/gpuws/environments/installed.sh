# shellcheck shell=sh
# installed.sh ROOT PREFIX: what an environment has, and what it had when it was built.
# Answers: machine NAME, now LINE, then LINE, recorded yes|no, conda-asked NAME, pip-asked NAME, and
# what it was built from: yml LINE, pip LINE, variables JSON; of one that somebody else of a group
# built, that is not known here.

# lines KEY FILE
lines() {
  [ -f "$2" ] && [ ! -L "$2" ] || return 0
  while IFS= read -r l_line || [ -n "$l_line" ]; do say "$1" "$l_line"; done <"$2"
}

# requirements FILE: with the lines of the files that it refers to in their places. Constraints have
# done their work.
requirements() {
  [ -f "$1" ] && [ ! -L "$1" ] || return 0
  while IFS= read -r r_line || [ -n "$r_line" ]; do
    case $r_line in
    '-r include-'*.txt | '--requirement include-'*.txt) lines pip "$build/${r_line##* }" ;;
    '-c include-'* | '--constraint include-'*) ;;
    *) say pip "$r_line" ;;
    esac
  done <"$1"
}

main() {
  root=$1 prefix=$2
  [ -d "$prefix" ] || die environment-not-found "there is no environment $prefix" \
    "gpuws env list shows those that are there"
  say machine "$(uname -m)"
  packages "$prefix" | while IFS= read -r line; do say now "$line"; done
  hash=${prefix##*/envs/} # in this root or in a group's
  case $hash in *[!0-9a-f]* | '') hash='' ;; esac
  if [ -z "$hash" ] || [ ! -f "$prefix/.gpuws-packages" ]; then
    say recorded no
    return 0
  fi
  say recorded yes
  build=$root/builds/$hash
  lines 'then' "$prefix/.gpuws-packages"
  lines conda-asked "$build/conda-names"
  lines pip-asked "$build/pip-names"
  lines yml "$build/environment-plain.yml"
  requirements "$build/requirements.txt"
  lines variables "$build/variables.json"
}

main "$@" </dev/null
