# shellcheck shell=sh
# Where a channel that is only named lies, as this host's conda is set up.

# read_alias: sets alias_url.
read_alias() {
  alias_url=${CONDA_CHANNEL_ALIAS:-}
  for a_file in "${CONDARC:-}" "$HOME/.condarc" "$HOME/.conda/.condarc" /etc/conda/.condarc; do
    if [ -n "$alias_url" ] || [ ! -r "$a_file" ]; then continue; fi
    alias_url=$(sed -n "s/^channel_alias: *[\"']\{0,1\}\([^\"' #]*\).*/\1/p" "$a_file" | head -n 1)
  done
  alias_url=${alias_url:-https://conda.anaconda.org}
}

# channel_url NAME: an address as it is; pkgs/main and its like have a home of their own.
channel_url() {
  case $1 in
  *://* | /*) printf '%s\n' "${1%/}" ;;
  pkgs/*) printf 'https://repo.anaconda.com/%s\n' "$1" ;;
  *) printf '%s/%s\n' "${alias_url%/}" "$1" ;;
  esac
}
