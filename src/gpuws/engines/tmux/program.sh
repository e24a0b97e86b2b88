# shellcheck shell=sh
# shellcheck disable=SC2034 # tmux is read by the scripts after it

# find_tmux ROOT: sets tmux to the one that gpuws brought to this host, else to the host's own. Once
# there, ours stays the one, so that whoever looks at a session later takes what it was started with.
find_tmux() {
  tmux=$1/tools/tmux/bin/tmux
  [ -f "$1/tools/tmux/.gpuws-complete" ] && [ -x "$tmux" ] || tmux=tmux
}
