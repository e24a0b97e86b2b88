# shellcheck shell=sh
# listen.sh: a Unix socket that lives for some seconds, to learn whether the server forwards to any.
# Answers: socket PATH; nothing where the host has no program that can make one.
# It goes away with whoever connects, or by itself.

LIFE=5 # seconds

# listening PATH: until somebody came or LIFE is over. The name is there once it listens.
listening() {
  if have perl && perl -MSocket -e 1; then
    perl -MSocket -e 'alarm $ARGV[1];
      socket(OWN, PF_UNIX, SOCK_STREAM, 0) and bind(OWN, sockaddr_un("$ARGV[0].new")) and
      listen(OWN, 1) and rename("$ARGV[0].new", $ARGV[0]) and accept(CALLER, OWN)' "$1" "$LIFE"
  elif have python3; then
    python3 -I -S -c 'import os, socket, sys
own = socket.socket(socket.AF_UNIX)
own.bind(sys.argv[1] + ".new")
own.listen(1)
os.rename(sys.argv[1] + ".new", sys.argv[1])
own.settimeout(float(sys.argv[2]))
own.accept()' "$1" "$LIFE"
  elif have ssh-agent; then
    ssh-agent -a "$1" sleep "$LIFE"
  fi
}

# forget FOLDER: what listened there is over.
forget() {
  rm -f "$1/s" "$1/s.new"
  rmdir "$1" || :
}

main() {
  place=$(mktemp -d /tmp/gpuws-XXXXXX 2>/dev/null) || return 0
  {
    listening "$place/s" || :
    forget "$place"
  } >/dev/null 2>&1 &
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -d "$place" ] || return 0
    if [ -S "$place/s" ]; then
      say socket "$place/s"
      return 0
    fi
    sleep 0.05 2>/dev/null || sleep 1
  done
}

main "$@" </dev/null
