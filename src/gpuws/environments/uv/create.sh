# shellcheck shell=sh
# shellcheck disable=SC2154 # set by build.sh
# The uv and venv kinds of build. Uses pip_settings.sh and the order_* values of build.sh.

# taken VARIABLE KEY: say which setting of pip uv is given, never its value (it may hold a password).
taken() { step "uv is given pip's $2 ($pip_where) as $1"; }

# uv_from_pip: uv does not read pip.conf or PIP_*; what uv itself was told on this host wins.
uv_from_pip() {
  if [ -n "$order_pip_index" ]; then
    UV_DEFAULT_INDEX=$order_pip_index
    export UV_DEFAULT_INDEX
  elif [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    pip_setting index-url
    if [ -n "$pip_value" ]; then
      UV_DEFAULT_INDEX=$pip_value
      export UV_DEFAULT_INDEX
      taken UV_DEFAULT_INDEX index-url
    fi
  fi
  if [ -z "${UV_INDEX:-}${UV_EXTRA_INDEX_URL:-}" ]; then
    pip_setting extra-index-url
    if [ -n "$pip_value" ]; then
      # pip takes the best version of all indexes; uv would stop at the first that has the name.
      UV_INDEX=$pip_value UV_INDEX_STRATEGY=${UV_INDEX_STRATEGY:-unsafe-best-match}
      export UV_INDEX UV_INDEX_STRATEGY
      taken UV_INDEX extra-index-url
    fi
  fi
  if [ -z "${UV_FIND_LINKS:-}" ]; then
    pip_setting find-links
    if [ -n "$pip_value" ]; then
      UV_FIND_LINKS=$(printf %s "$pip_value" | tr -s ' \t' ',')
      export UV_FIND_LINKS
      taken UV_FIND_LINKS find-links
    fi
  fi
  if [ -z "${SSL_CERT_FILE:-}" ]; then
    pip_setting cert
    if [ -n "$pip_value" ] && [ -f "$pip_value" ]; then
      SSL_CERT_FILE=$pip_value
      export SSL_CERT_FILE
      taken SSL_CERT_FILE cert
    fi
  fi
  if [ -z "${UV_INSECURE_HOST:-}" ]; then
    pip_setting trusted-host
    if [ -n "$pip_value" ]; then
      UV_INSECURE_HOST=$pip_value
      export UV_INSECURE_HOST
      taken UV_INSECURE_HOST trusted-host
    fi
  fi
}

# uv_caches: where neither hosts.yaml nor the host says anything and no cache is there yet, ours.
uv_caches() {
  u_home=${XDG_CACHE_HOME:-$HOME/.cache}
  if [ -n "$order_cache" ]; then
    UV_CACHE_DIR=$order_cache/uv
  elif [ -z "${UV_CACHE_DIR:-}" ]; then
    if [ "$order_brought" = 0 ] && [ -d "$u_home/uv" ]; then return 0; fi
    UV_CACHE_DIR=$root/cache/uv
  fi
  export UV_CACHE_DIR
}

pip_caches() {
  if [ -n "$order_cache" ]; then
    PIP_CACHE_DIR=$order_cache/pip
  elif [ -z "${PIP_CACHE_DIR:-}" ]; then
    pip_setting cache-dir
    if [ -n "$pip_value" ] || [ -d "${XDG_CACHE_HOME:-$HOME/.cache}/pip" ]; then return 0; fi
    PIP_CACHE_DIR=$root/cache/pip
  fi
  export PIP_CACHE_DIR
}

# pip comes along for %pip in notebooks; --seed would bring setuptools and wheel as well.
uv_create() {
  UV_PYTHON_DOWNLOADS=never
  UV_NO_PROGRESS=1
  export UV_PYTHON_DOWNLOADS UV_NO_PROGRESS
  uv_from_pip
  uv_caches
  tool_version=$("$order_path" --version </dev/null 2>/dev/null | awk 'NR == 1 { print $2 }')
  step "uv $tool_version makes the environment with $order_python"
  "$order_path" venv --no-project --python "$order_python" "$prefix" ||
    fail environment-failed $?
  step 'uv installs the packages'
  if [ "$order_locked" = 0 ]; then
    uv_install -r "$build/requirements.txt" pip
    return 0
  fi
  [ ! -s "$build/locked.txt" ] || uv_install --no-deps --require-hashes -r "$build/locked.txt"
  [ ! -s "$build/locked-vcs.txt" ] || uv_install --no-deps -r "$build/locked-vcs.txt"
  [ ! -s "$build/locked-code.txt" ] || uv_install --no-deps -r "$build/locked-code.txt"
}

uv_install() {
  with_kept "$order_path" pip install --python "$prefix/bin/python" "$@" || fail pip-failed $?
}

venv_create() {
  tool_version=$("$order_python" -c 'import platform; print(platform.python_version())')
  step "venv of $order_python makes the environment"
  "$order_python" -m venv "$prefix" || fail environment-failed $?
  if [ "$order_locked" = 1 ]; then
    pip_locked
  else
    pip_install "$build/requirements.txt"
  fi
}

# pip_locked: what the lock adds to conda's part, by hash; pip has nothing to decide. Code of the
# laptop is in no lock; what it needs is.
pip_locked() {
  pip_install "$build/locked.txt" --no-deps --require-hashes
  pip_install "$build/locked-vcs.txt" --no-deps
  pip_install "$build/locked-code.txt" --no-deps
}

# pip_install FILE [OPTION...]: pip of the prefix, run by ourselves: its lines are live, its failure
# is one.
pip_install() {
  [ -s "$1" ] || return 0
  pip_list=$1
  shift
  pip_caches
  if [ -n "$order_pip_index" ]; then
    PIP_INDEX_URL=$order_pip_index
    export PIP_INDEX_URL
  fi
  step 'pip installs the packages of the pip section'
  with_kept "$prefix/bin/python" -m pip install "$@" -r "$pip_list" --no-input ||
    fail pip-failed $?
}
