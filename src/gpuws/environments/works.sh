# shellcheck shell=sh
# works.sh PREFIX MODULE...: whether an environment that another machine has built runs on this one,
# with its libc and its driver. Answers: works yes, or fault WHY.
main() {
  prefix=$1
  shift
  if [ ! -x "$prefix/bin/python" ]; then
    say fault "there is no python that runs in $prefix"
    return 0
  fi
  if told=$(limited 100 "$prefix/bin/python" -I -c '
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
' "$@" 2>&1); then
    say works yes
  else
    told=${told##*"$NL"}
    say fault "${told:-its python ends without a word}"
  fi
}

main "$@" </dev/null
