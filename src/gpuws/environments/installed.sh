# shellcheck shell=sh
# installed.sh ROOT PREFIX: what an environment has, and what it had when it was built.
# Answers: machine NAME, now LINE, then LINE, recorded yes|no, conda-asked NAME, pip-asked NAME.

main() {
  root=$1 prefix=$2
  [ -d "$prefix" ] || die environment-not-found "there is no environment $prefix" \
    "gpuws env list shows those that are there"
  say machine "$(uname -m)"
  packages "$prefix" | while IFS= read -r line; do say now "$line"; done
  hash=${prefix#"$root/envs/"}
  case $hash in *[!0-9a-f]* | '') hash='' ;; esac
  if [ -z "$hash" ] || [ ! -f "$prefix/.gpuws-packages" ]; then
    say recorded no
    return 0
  fi
  say recorded yes
  while IFS= read -r line; do say 'then' "$line"; done <"$prefix/.gpuws-packages"
  for each in conda pip; do
    [ -f "$root/builds/$hash/$each-names" ] || continue
    while IFS= read -r line; do say "$each-asked" "$line"; done <"$root/builds/$hash/$each-names"
  done
}

main "$@" </dev/null
