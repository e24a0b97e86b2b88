# shellcheck shell=sh
# shellcheck disable=SC2154 # root and run are set by doctor.sh
# Part of doctor.sh: Unix sockets on which a server of this host listens, for a channel to be tried
# on: a server that forwards to none refuses it in the same words as one where nothing listens.

MOST_SOCKETS=3

# tell_sockets: those of gpuws first, then whatever this user may connect to.
tell_sockets() {
  # 00010000: it listens; 0001: a stream
  sed -n 's/^[^ ]* [0-9A-F]* [0-9A-F]* 00010000 0001 [0-9]* *[0-9]* \(\/.*\)/\1/p' \
    /proc/net/unix 2>/dev/null | {
    k_others=
    while IFS= read -r k_path; do
      { [ -S "$k_path" ] && [ -w "$k_path" ]; } || continue
      case $k_path in
      "$root"/* | "${run:-/nowhere}"/*) say socket "$k_path" ;;
      *) k_others=$k_others$k_path$NL ;;
      esac
    done
    printf %s "$k_others" | while IFS= read -r k_path; do say socket "$k_path"; done
  } | head -n "$MOST_SOCKETS"
}
