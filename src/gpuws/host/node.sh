# shellcheck shell=sh
# node.sh: which machine this is, and a Unix socket that somebody listens at, to try a forward with:
# a server that forbids those says the same as one that finds nothing there (OpenSSH 9.2).

listened() {
  [ -r /proc/net/unix ] || return 0
  while read -r _ _ _ flags kind _ _ path; do
    case $flags:$kind:$path in
    00010000:0001:/*) [ ! -S "$path" ] || [ ! -w "$path" ] || break ;;
    esac
    path=''
  done </proc/net/unix
  [ -z "$path" ] || say socket "$path"
}

main() {
  say node "$(uname -n)"
  listened
}

main "$@" </dev/null
