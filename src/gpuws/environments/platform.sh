# shellcheck shell=sh
# platform.sh: what a solver must know of this machine beside what the probe says.
# Answers: kernel RELEASE, flags WORDS (of the first processor).

main() {
  say kernel "$(uname -r)"
  say flags "$(sed -n 's/^\(flags\|Features\)[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)"
}

main "$@" </dev/null
