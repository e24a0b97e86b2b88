# shellcheck shell=sh
# The workspace's environment, for Jupyter, its kernels and terminals alike.

# settle FOLDER: everything in its order: one login shell's variables where wanted, the user's own,
# the prologue, the environment, and the user's own once more, since these have the last word.
settle() {
  umask 077
  unset LC_ALL || :
  LANG=${LANG:-C.UTF-8}
  export LANG
  gpuws_prefix='' gpuws_login=0
  # shellcheck source=/dev/null
  . "$1/env.sh"
  [ "$gpuws_login" != 1 ] || login_variables
  # shellcheck source=/dev/null
  . "$1/env.sh"
  if [ -s "$1/prologue.sh" ]; then
    set +eu
    modules
    # shellcheck source=/dev/null
    . "$1/prologue.sh"
    set -eu
  fi
  [ -z "$gpuws_prefix" ] || activate "$gpuws_prefix"
  # shellcheck source=/dev/null
  . "$1/env.sh"
}

# settle_in_bash FOLDER "$0" ARG...: prologues are written for bash; where it is there, take it.
settle_in_bash() {
  [ -s "$1/prologue.sh" ] && [ -z "${BASH_VERSION:-}" ] && have bash || return 0
  shift
  exec bash "$@"
}

# activate PREFIX: what `conda activate` or `. bin/activate` would set, without conda.
activate() {
  unset PYTHONHOME VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER || :
  PATH=$1/bin:$PATH
  if [ -d "$1/conda-meta" ]; then
    CONDA_PREFIX=$1 CONDA_DEFAULT_ENV=${1##*/} CONDA_SHLVL=1
    export CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_SHLVL
    ! [ -s "$1/conda-meta/state" ] || eval "$(conda_variables "$1")"
    activate_scripts "$1"
  elif [ -f "$1/pyvenv.cfg" ]; then
    VIRTUAL_ENV=$1
    export VIRTUAL_ENV
    # shellcheck source=/dev/null
    ! [ -s "$1/.gpuws-variables" ] || . "$1/.gpuws-variables"
  fi
  export PATH
}

# Packages' own scripts: written for bash without strict mode, and they may fail.
activate_scripts() {
  for a_file in "$1"/etc/conda/activate.d/*.sh; do
    [ -r "$a_file" ] || continue
    set +eu
    # shellcheck source=/dev/null
    . "$a_file" >/dev/null 2>&1 </dev/null
    set -eu
  done
}

# conda_variables PREFIX: `variables:` of environment.yml, as exports. conda keeps them as JSON.
conda_variables() {
  "$1/bin/python" -I -S -c '
import json, re, shlex, sys
try:
    found = json.load(open(sys.argv[1], encoding="utf-8")).get("env_vars", {})
except (OSError, ValueError, AttributeError):
    found = {}
for name, value in found.items():
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) and value != "***unset***":
        print("export %s=%s" % (name, shlex.quote(str(value))))
' "$1/conda-meta/state" 2>/dev/null || :
}

# login_variables: what one login shell of the user's exports. rc files may print what they like.
login_variables() {
  l_mark=gpuws-$$-variables
  l_ask="/bin/sh -c 'echo $l_mark; export -p; echo $l_mark-end'"
  case ${SHELL:-/bin/sh} in
  */tcsh | */csh) l_told=$(limited 10 "$SHELL" -c "$l_ask" </dev/null 2>/dev/null) || : ;;
  *) l_told=$(limited 10 "${SHELL:-/bin/sh}" -l -c "$l_ask" </dev/null 2>/dev/null) || : ;;
  esac
  case $l_told in
  *"$l_mark$NL"*"$NL$l_mark-end"*) ;;
  *) return 0 ;;
  esac
  l_told=${l_told#*"$l_mark$NL"}
  l_session=${GPUWS_SESSION:-}
  eval "${l_told%"$NL$l_mark-end"*}"
  unset LC_ALL OLDPWD || :
  GPUWS_SESSION=$l_session
}

# `module` is a function that only login shells define.
modules() {
  command -v module >/dev/null 2>&1 && return
  for m_file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh \
    "${MODULESHOME:-/nowhere}/init/sh"; do
    [ -r "$m_file" ] || continue
    # shellcheck source=/dev/null
    . "$m_file" >/dev/null 2>&1
    return
  done
}
