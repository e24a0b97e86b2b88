# shellcheck shell=sh disable=SC2034  # variables are shared with the scripts that begin with it
# How a script asks many things at once and waits for none of them: within.sh goes before it.
#
# Parts run side by side into pipes, and only the readers of these pipes have a deadline: a process
# that waits for a dead file server cannot even be killed, so nobody may wait for it. A part that
# came to its end says so with an `answered` line. No here-documents: bash keeps them in /tmp.

PATIENCE=9 # seconds for each pipe; once one ran out, the next has had its time

# begin: sets started, the host's clock in seconds, and has_timeout.
begin() {
  # busybox before 1.30 wants -t before the seconds: such a timeout is as good as none
  has_timeout=yes
  started=$(timeout 5 date +%s 2>/dev/null) || {
    has_timeout=no
    started=$(date +%s)
  }
}

# part NAME FUNCTION [ARG...]: run it detached, so that the shell does not wait for it.
part() {
  part_name=$1
  shift
  (
    "$@"
    say answered "$part_name"
  ) </dev/null 2>/dev/null &
}

# rest SECONDS: pass on what the parts tell, as it comes, until the last one ended.
rest() { within "$1" cat; }
