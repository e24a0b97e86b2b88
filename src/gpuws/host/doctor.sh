# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables are shared with the parts
# doctor.sh ROOT RUN CACHE [PREFIX]...: what `gpuws doctor` asks a host beside the probe. Writes
# nothing, and reads nothing that is private.
#   ROOT    root folder of gpuws on this host, absolute
#   RUN     its folder for sockets; "" = none
#   CACHE   the folder of cache_dir:; "" = the tools' own
#   PREFIX  an environment whose Jupyter is looked at
# Each part in a pipe of its own, so that a dead file server silences the folders alone.

main() {
  begin
  fs_of=
  root=$1
  run=$2
  cache=$3
  shift 3
  part servers tell_servers | rest "$PATIENCE" &
  part sockets tell_sockets | rest "$PATIENCE" &
  part jupyters tell_jupyters "$@" | rest "$PATIENCE" &
  part folders tell_folders | rest "$PATIENCE" || :
  wait
}

tell_folders() {
  tell_folder root "$root"
  tell_folder home "${HOME:-/}"
  tell_folder tmp "${TMPDIR:-/tmp}"
  [ -z "$run" ] || tell_folder run "$run"
  tell_folder cache "${cache:-${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/}/.cache}}}"
  [ -z "${CONDA_PKGS_DIRS:-}" ] || tell_folder conda "${CONDA_PKGS_DIRS%%,*}"
}

# tell_jupyters PREFIX...: jupyter<TAB>PREFIX<TAB>VERSION, by the name of what describes it.
tell_jupyters() {
  for prefix in "$@"; do
    for found in "$prefix"/lib/python3*/site-packages/jupyter_server-*.dist-info; do
      [ -d "$found" ] || continue
      found=${found##*/jupyter_server-}
      say jupyter "$prefix	${found%.dist-info}"
    done
  done
}

main "$@" </dev/null
