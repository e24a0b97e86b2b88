# shellcheck shell=sh
# bridge.sh ROOT PROGRAM: become a Python that runs PROGRAM on our own streams.
# Any that the host has; that of a workspace's environment is there wherever a Jupyter is.

# runs PYTHON: whether PROGRAM can run in it.
runs() {
  "$1" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 7))' >/dev/null 2>&1
}

# find_python ROOT: sets python; status 1 where there is none.
find_python() {
  for python in python3 /usr/libexec/platform-python; do
    ! runs "$python" || return 0
  done
  for each in "$1"/workspaces/*/workspace.json; do
    python=$(look_value prefix "$(look_line "$each")")/bin/python
    ! runs "$python" || return 0
  done
  return 1
}

# shellcheck disable=SC2154 # root: root.sh
main() {
  find_root "$1"
  find_python "$root" || {
    echo 'the host has no Python 3.7 or newer that could be the bridge' >&2
    exit 255
  }
  exec "$python" -I -S -c "$2" <&3 3<&-
}

main "$@" 3<&0 </dev/null
