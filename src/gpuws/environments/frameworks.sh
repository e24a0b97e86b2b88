# shellcheck shell=sh
# frameworks.sh PREFIX CODE NAME...: what each framework says of itself and of the cards it sees.
main() {
  prefix=$1 code=$2
  shift 2
  for name in "$@"; do
    told=$(PATH=$prefix/bin:$PATH PYTHONNOUSERSITE=1 limited 90 "$prefix/bin/python" -I -W ignore \
      -c "$code" "$name" 2>/dev/null) || told=
    say framework "$name	${told##*"$NL"}"
  done
}

main "$@" </dev/null
