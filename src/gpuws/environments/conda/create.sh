# shellcheck shell=sh
# shellcheck disable=SC2154 # set by build.sh
# conda, mamba and micromamba. The conda part only: pip and the variables are done by build.sh.

# at_least_26_7 VERSION: what conda does there was measured; it takes "nodefaults" for a channel.
at_least_26_7() {
  c_major=${1%%.*} c_rest=${1#*.}
  c_minor=${c_rest%%.*}
  case $c_major$c_minor in *[!0-9]* | '') return 1 ;; esac
  [ "$c_major" -gt 26 ] || { [ "$c_major" -eq 26 ] && [ "$c_minor" -ge 7 ]; }
}

# rc_there: whether the host's owner or user has told the tool anything in a file.
rc_there() {
  for c_file in "${CONDARC:-}" "${MAMBARC:-}" "$HOME/.condarc" "$HOME/.mambarc" \
    "$HOME/.conda/.condarc" "${XDG_CONFIG_HOME:-$HOME/.config}/conda/.condarc" \
    /etc/conda/.condarc "${MAMBA_ROOT_PREFIX:-/nonexistent}/.condarc" \
    "${MAMBA_ROOT_PREFIX:-/nonexistent}/.mambarc"; do
    if [ -n "$c_file" ] && [ -f "$c_file" ]; then return 0; fi
  done
  return 1
}

conda_caches() {
  if [ -n "$order_cache" ]; then
    CONDA_PKGS_DIRS=$order_cache/conda
    export CONDA_PKGS_DIRS
  elif [ "$order_brought" = 1 ] && [ -z "${CONDA_PKGS_DIRS:-}" ]; then
    CONDA_PKGS_DIRS=$root/cache/conda
    export CONDA_PKGS_DIRS
  fi
  # Without it micromamba guesses from where its binary lies and may make a folder in HOME.
  if [ "$order_tool" != conda ] && [ -z "${MAMBA_ROOT_PREFIX:-}" ]; then
    for c_root in "$HOME/micromamba" "${XDG_DATA_HOME:-$HOME/.local/share}/mamba"; do
      if [ "$order_brought" = 0 ] && [ -d "$c_root" ]; then return 0; fi
    done
    if [ "$order_brought" = 0 ] && [ -d "${order_path%/bin/*}/conda-meta" ]; then return 0; fi
    MAMBA_ROOT_PREFIX=$root/cache/mamba
    export MAMBA_ROOT_PREFIX
  fi
}

# conda_run FILE: create the prefix; what the tool said is kept in scratch/said as well.
conda_run() {
  if [ "$order_tool" = conda ] && [ "${1##*.}" = txt ]; then
    set -- "$order_path" create -p "$prefix" --file "$1" -y
  elif [ "$order_tool" = conda ]; then
    set -- "$order_path" env create -p "$prefix" -f "$1" -y
  elif [ "${1##*.}" = txt ] || rc_there; then
    set -- "$order_path" create -y -p "$prefix" -f "$1"
  else
    set -- "$order_path" create --no-rc -y -p "$prefix" -f "$1"
    [ "$order_channels" = 1 ] || set -- "$@" -c conda-forge --override-channels
  fi
  if [ "$order_tool" = conda ] && have flock; then
    # Two conda runs that fill one package cache at once spoil it. (mamba has locks of its own.)
    {
      flock -w 3600 8 || :
      heard "$@"
    } 8>"$root/builds/.conda-lock"
  else
    heard "$@"
  fi
}

clear_prefix() {
  remove_partial "$base" "$hash" >/dev/null
}

# A spoiled cache entry is not worth a failed morning: once more, with a cache of this build's own.
conda_again_privately() {
  said 'ChecksumMismatch|incorrect downloads|incorrect hash|appears to be corrupted|InvalidArchive|extraction failed' ||
    return 1
  ! said 'no space left|disk quota' || return 1
  step 'a package in the cache is spoiled: once more with a private cache'
  clear_prefix
  CONDA_PKGS_DIRS=$build/scratch/conda
  export CONDA_PKGS_DIRS
  conda_run "$1"
}

# JupyterLab is ours to bring: where the channels do not have it, pip does.
conda_again_without_jupyter() {
  [ -s "$build/requirements-jupyter.txt" ] || return 1
  said '(jupyterlab|ipykernel).*(does not exist|not found|no candidates)|(not found|not available|nothing provides).*(jupyterlab|ipykernel)|^ *- *(jupyterlab|ipykernel) *$' ||
    return 1
  step 'the channels do not have jupyterlab and ipykernel: pip brings them'
  clear_prefix
  cat "$build/requirements-jupyter.txt" >>"$build/requirements.txt"
  conda_run "$build/scratch/environment-plain.yml"
}

conda_create() {
  CONDA_REGISTER_ENVS=false
  CONDA_NUMBER_CHANNEL_NOTICES=0
  CONDA_REPORT_ERRORS=false
  export CONDA_REGISTER_ENVS CONDA_NUMBER_CHANNEL_NOTICES CONDA_REPORT_ERRORS
  if [ -n "$order_cuda" ] && [ -z "${CONDA_OVERRIDE_CUDA+set}" ]; then
    CONDA_OVERRIDE_CUDA=$order_cuda # the driver's; micromamba would ask the toolkit
    export CONDA_OVERRIDE_CUDA
  fi
  [ "$order_terms" = 0 ] || export CONDA_PLUGINS_AUTO_ACCEPT_TOS=yes
  if [ "$order_tool" = conda ] && [ -n "$order_closed" ]; then
    # conda appends the channels it is set to, and "defaults" where it is set to none.
    CONDA_CHANNELS=$order_closed
    export CONDA_CHANNELS
  fi
  conda_caches
  had_list=1
  [ -e "$HOME/.conda" ] || had_list=0
  tool_version=$("$order_path" --version </dev/null 2>/dev/null |
    awk 'NR == 1 { print $NF }')
  if [ "$order_tool" = conda ] && at_least_26_7 "$tool_version"; then
    for c_file in environment.yml environment-plain.yml; do
      grep -v '^  - "nodefaults"$' "$build/$c_file" >"$build/scratch/yml"
      cat "$build/scratch/yml" >"$build/$c_file"
    done
  fi
  step "$order_tool $tool_version makes the environment"
  if [ "$order_locked" = 1 ]; then
    conda_from_lock
  else
    conda_from_file
  fi
  forget_registration
  [ -s "$prefix/conda-meta/history" ] || fail environment-failed 0
  if [ "$order_locked" = 1 ]; then
    pip_locked
  else
    pip_install "$build/requirements.txt"
  fi
}

# conda_from_file: the dependencies are the last part of both files.
conda_from_file() {
  for c_file in environment.yml environment-plain.yml; do
    cat "$build/$c_file" "$build/kept-conda" >"$build/scratch/$c_file"
  done
  conda_run "$build/scratch/environment.yml" ||
    conda_again_privately "$build/scratch/environment.yml" ||
    conda_again_without_jupyter ||
    conda_again_free ||
    fail environment-failed "$(cat "$build/scratch/status")"
}

conda_again_free() {
  let_go || return 1
  clear_prefix
  conda_from_file
}

# conda_from_lock: nothing is solved; the tool downloads, checks and links what the list names.
conda_from_lock() {
  c_md5=''
  # every conda reads md5; sha256 was seen to work in 26.7
  if [ "$order_tool" = conda ] && ! at_least_26_7 "$tool_version"; then c_md5=-md5; fi
  conda_run "$build/explicit$c_md5.txt" ||
    conda_again_privately "$build/explicit$c_md5.txt" ||
    conda_again_from_origin "$build/origin$c_md5.txt" ||
    fail environment-failed "$(cat "$build/scratch/status")"
}

# A mirror may not have yet, or not have any more, what was locked.
conda_again_from_origin() {
  [ -s "$1" ] && ! said 'no space left|disk quota' || return 1
  step 'the mirror lacks a package of the lock: once more from where it was locked'
  clear_prefix
  conda_run "$1"
}

# micromamba notes each prefix in HOME and has no switch for that; where the list was not there
# before, it goes again.
forget_registration() {
  c_list=$HOME/.conda/environments.txt
  [ "$had_list" = 0 ] && [ -f "$c_list" ] || return 0
  [ "$(cat "$c_list")" = "$prefix" ] || return 0
  rm -f "$c_list"
  rmdir "$HOME/.conda" 2>/dev/null || :
}
