# shellcheck shell=sh
# build.sh BUILD_FOLDER: make one environment. Started by an engine, so that it goes on when the
# laptop leaves. Everything it needs lies in the folder; nothing secret is in its arguments. Where the
# folder names a desk, the environment is a group's (shared.sh), and the log is told there too.
# state: running | done | failed CODE STATUS
# shellcheck disable=SC2034,SC2154 # the fragments before it read them, or set them

LOG_LIMIT=1000000 # bytes; the log before it is kept as build.log.1

step() { printf 'gpuws: %s\n' "$1"; }

# fail CODE STATUS: end the build; the reason is what the log says.
fail() {
  printf '%s %s\n' "$1" "$2" >"$build/scratch/failed" 2>/dev/null || :
  exit 1
}

# keep_log: stdin into build.log, a line at a time, without logins and tokens in addresses. Those at
# the desk are relative: no other folder can take its place while we are in it.
keep_log() {
  k_size=0 k_desk=''
  if [ -n "$desk" ] && in_desk; then k_desk=1; fi
  while IFS= read -r k_line || [ -n "$k_line" ]; do
    case $k_line in
    *://*@* | *://*/t/*)
      k_line=$(printf '%s\n' "$k_line" | sed 's,://[^/@ ]*@,://,g; s,/t/[^/ ]*/,/,g')
      ;;
    esac
    k_size=$((k_size + ${#k_line} + 1))
    if [ "$k_size" -gt "$LOG_LIMIT" ]; then
      mv -f "$build/build.log" "$build/build.log.1" 2>/dev/null || :
      [ -z "$k_desk" ] || : >build.log
      k_size=0
    fi
    printf '%s\n' "$k_line" >>"$build/build.log" 2>/dev/null || :
    [ -z "$k_desk" ] || printf '%s\n' "$k_line" >>build.log 2>/dev/null || :
  done
}

# settings: what could lead a tool to another place than this prefix is taken out.
settings() {
  unset PYTHONPATH PYTHONHOME CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_SHLVL VIRTUAL_ENV || :
  unset PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV UV_PROJECT_ENVIRONMENT || :
  PYTHONNOUSERSITE=1 PYTHONUNBUFFERED=1 PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1
  export PYTHONNOUSERSITE PYTHONUNBUFFERED PIP_USER PIP_DISABLE_PIP_VERSION_CHECK
  for s_name in http_proxy https_proxy HTTP_PROXY HTTPS_PROXY no_proxy NO_PROXY all_proxy; do
    eval "s_value=\${$s_name:-}"
    [ -z "$s_value" ] || step "$s_name of the host is honoured"
  done
}

# The user's own lines (module load ...): not under our strict mode, and what they say is logged.
prologue() {
  [ -s "$build/prologue.sh" ] || return 0
  step 'prologue'
  set +eu
  if ! have module; then # a function that only login shells define
    for s_file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh \
      "${MODULESHOME:-/nowhere}/init/sh"; do
      if [ -r "$s_file" ]; then
        # shellcheck source=/dev/null
        . "$s_file" >/dev/null 2>&1
        break
      fi
    done
  fi
  # shellcheck source=/dev/null
  . "$build/prologue.sh"
  set -eu
}

# variables: where activation looks for them.
variables() {
  if [ -s "$build/variables.json" ] && [ -d "$prefix/conda-meta" ]; then
    cat "$build/variables.json" >"$prefix/conda-meta/state"
  elif [ -s "$build/variables" ]; then
    cat "$build/variables" >"$prefix/.gpuws-variables"
  fi
}

steps() {
  settings
  prologue
  [ -z "$desk" ] || separate
  case $order_tool in
  conda | mamba | micromamba) conda_create ;;
  uv) uv_create ;;
  venv) venv_create ;;
  *) fail bug 1 ;;
  esac
  health
  variables
  record
  [ -z "$desk" ] || seal
  marker
  step 'the environment is complete'
}

# outcome: the last word of the steps into the state file; a failed prefix gives its space back.
outcome() {
  trap - EXIT
  o_text='done'
  if [ ! -e "$prefix/.gpuws-complete" ]; then
    o_code=environment-failed o_status=1
    if [ -s "$build/scratch/failed" ]; then
      read -r o_code o_status <"$build/scratch/failed" || :
    fi
    case $o_code in # the log may have had no room for what the tool said
    *-failed) ! is_full "$build/scratch/full" || o_code=disk-full ;;
    esac
    (remove_partial "$base" "$hash") >/dev/null 2>&1 || :
    o_text="failed $o_code $o_status"
  fi
  rm -rf "$build/scratch" "$build/local"
  (tell "$build" state "$o_text") || printf %s "$o_text" >"$build/state"
}

# interrupted: by the engine, at down or at a shutdown. The children carry our name.
interrupted() {
  trap '' TERM HUP INT
  printf 'build-interrupted 143\n' >"$build/scratch/failed" 2>/dev/null || :
  for i_pid in $(leftovers "$build"); do
    [ "$i_pid" = "$own" ] || kill "$i_pid" 2>/dev/null || :
  done
  exit 143
}

main() {
  build=$1
  if [ "${GPUWS_BUILD:-}" != "$build" ]; then # so that /proc/PID/environ shows it from the start
    GPUWS_BUILD=$build
    export GPUWS_BUILD
    if [ -s "$build/prologue.sh" ] && have bash; then # prologues are written for bash
      exec bash "$0" "$build"
    fi
    exec /bin/sh "$0" "$build"
  fi
  own=$$ began=$(date +%s) tool_version='' marker_mode=600 HOME=${HOME:-/}
  order_tool='' order_path='' order_python='' order_brought=0 order_cache='' order_pip_index=''
  order_cuda='' order_jupyter=0 order_cards=0 order_channels=0 order_terms=0 order_closed='' order_locked=0 order_declared=''
  hash=${build##*/} root=${build%/builds/*}
  check_hash "$hash"
  find_base "$build" "$root"
  prefix=$base/envs/$hash
  cd "$build"
  mkdir -p "$build/scratch"
  TMPDIR=${TMPDIR:-$build/scratch}
  export TMPDIR
  # shellcheck source=/dev/null
  . "$build/order.sh"
  tell "$build" pid "$own $(started "$own")$NL"
  trap outcome EXIT
  trap interrupted TERM HUP INT
  if [ -e "$prefix" ] || [ -L "$prefix" ]; then
    printf '%s is already there; no tool protects it, so gpuws does\n' "$prefix" >>"$build/build.log"
    fail environment-failed 1
  fi
  (steps) 2>&1 | keep_log & # waited for, since a trap would come only after a foreground job
  wait $! || :
}

main "$@" </dev/null
