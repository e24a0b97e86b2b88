# shellcheck shell=sh
# installed.sh ROOT PREFIX [changes|sources]: what an environment has, and what it had when it was built.
# Answers: machine NAME, python VERSION, now LINE, then LINE, recorded yes|no, conda-asked NAME,
# pip-asked NAME, marker JSON, and what it was built from: yml LINE, pip LINE, local LINE, variables JSON; of one
# that somebody else of a group built, that is not known here. With "changes" or "sources" also what
# changes.sh or sources.sh tell.

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

# python_of PREFIX: the version of a virtual environment's python, by its own note.
python_of() {
  [ -f "$1/pyvenv.cfg" ] || return 0
  sed -n 's/^version\(_info\)\{0,1\} *= *\([0-9.]*[0-9]\).*$/\2/p' "$1/pyvenv.cfg" | head -n 1
}

main() {
  root=$1 prefix=$2
  [ -d "$prefix" ] || die environment-not-found "there is no environment $prefix" \
    "gpuws env list shows those that are there"
  say machine "$(uname -m)"
  say python "$(python_of "$prefix")"
  packages "$prefix" | while IFS= read -r line; do say now "$line"; done
  case ${3:-} in
  changes) numpy_bounds "$prefix" ;;
  sources)
    conda_sources "$prefix"
    direct_sources "$prefix"
    ;;
  esac
  hash=${prefix##*/envs/} # in this root or in a group's
  case $hash in *[!0-9a-f]* | '') hash='' ;; esac
  if [ -z "$hash" ] || [ ! -f "$prefix/.gpuws-packages" ]; then
    say recorded no
    return 0
  fi
  say recorded yes
  lines marker "$prefix/.gpuws-complete"
  if [ "${3:-}" = changes ]; then
    touched "$prefix"
    commands "$prefix" | tail -n 20
  fi
  build=$root/builds/$hash
  lines 'then' "$prefix/.gpuws-packages"
  lines conda-asked "$build/conda-names"
  lines pip-asked "$build/pip-names"
  lines yml "$build/environment-plain.yml"
  requirements "$build/requirements.txt"
  lines 'local' "$build/local-code"
  lines variables "$build/variables.json"
}

main "$@" </dev/null
