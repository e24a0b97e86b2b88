# shellcheck shell=sh disable=SC2034,SC2154  # variables are shared with the other parts
# Part of the probe: tools, interpreters, and the host's own settings.

tell_tools() {
  conda_exe=${CONDA_EXE:-}
  mamba_exe=${MAMBA_EXE:-}
  mamba_prefix=${MAMBA_ROOT_PREFIX:-}
  libraries=${LD_LIBRARY_PATH:-}
  [ "$2" != 1 ] || ask_login
  [ -z "$1" ] || ask_prologue "$1"
  # first what takes longest: the interpreters run while the rest is looked for
  tell_pythons
  tell_tmux &
  tell_shadowing & # before an rc file is asked: what that one sets is not what a session gets
  for each in tar curl wget bzip2 unzip setsid timeout git flock; do
    ! find_tool "$each" || say tool "$each	$found"
  done
  ! find_tool sbatch || say slurm yes
  tell_settings &
  tell_conda
  find_tool uv || find_in "$home/.local/bin" uv || find_in "$home/.cargo/bin" uv ||
    find_in "$root/tools/bin" uv || found=
  [ -z "$found" ] || say tool "uv	$found"
  wait
}

# The one that gpuws brought comes first, since an engine takes that. Told only where it runs: a
# broken one is as good as none.
tell_tmux() {
  find_tmux "$root"
  [ "$tmux" = tmux ] || tell_tmux_at "$tmux"
  ! find_tool tmux || tell_tmux_at "$found"
  missed=$root/tools/tmux.missed
  if [ -f "$missed" ] && [ -n "$(find "$missed" -mmin -1440 2>/dev/null)" ]; then
    say tmux_missed "$(look_line "$missed")"
  fi
}

tell_tmux_at() {
  told=$(within 3 "$1" -V 2>/dev/null) || return 0
  say tool "tmux	$1	${told#* }"
}

# find_tool NAME: sets found to its absolute path. `command -v` would also name builtins, aliases
# and what lies in a relative folder of PATH.
find_tool() {
  found=
  old_ifs=$IFS
  IFS=:
  set -f
  for folder in $PATH; do
    case $folder in
    /*) ! find_in "$folder" "$1" || break ;;
    esac
  done
  set +f
  IFS=$old_ifs
  [ -n "$found" ]
}

find_in() {
  found=$1/$2
  if [ -f "$found" ] && [ -x "$found" ]; then return 0; fi
  found=
  return 1
}

# Each interpreter runs beside the others and says its own line, shorter than a pipe's atomic write.
# -S: `site` costs more than the rest of the start. -B: a Python of the user's would leave byte code.
tell_pythons() {
  seen=
  folders=$PATH:/usr/local/bin:/usr/bin
  old_ifs=$IFS
  IFS=:
  for folder in $folders; do
    IFS=$old_ifs
    # pyenv's shims are slow scripts that may fail; its versions are looked at below
    case $folder in
    */shims | "$root"/*) ;;
    /*) try_pythons "$folder"/python3 "$folder"/python3.[0-9] "$folder"/python3.[0-9][0-9] ;;
    esac
  done
  IFS=$old_ifs
  try_pythons "$home"/.pyenv/versions/*/bin/python3 \
    "$home"/.local/share/uv/python/*/bin/python3
  [ -z "${PYENV_ROOT:-}" ] || try_pythons "$PYENV_ROOT"/versions/*/bin/python3
}

try_pythons() {
  for python in "$@"; do
    if [ -f "$python" ] && [ -x "$python" ] && ! is_seen "$python"; then
      seen=$seen$python$NL
      within 5 "$python" -I -S -B -c "$PYTHON" "$python" &
    fi
  done
}

# is_seen FILE: whether it, or a link to the same file, was asked before.
is_seen() {
  same=no
  wanted=$1
  lines_of "$seen" compare
  [ "$same" = yes ]
}

# shellcheck disable=SC3013  # dash, bash and busybox have -ef; without it a Python is told twice
compare() { ! [ "$wanted" -ef "$1" ] 2>/dev/null || same=yes; }

PYTHON='import os, sys
v = sys.version_info
d = os.path.dirname(os.__file__)
f = [n for n in ("venv", "ensurepip") if os.path.exists(os.path.join(d, n, "__init__.py"))]
sys.stdout.write("python\tpython%d.%d\t%s\t%d.%d.%d\t%s\n"
                 % (v[0], v[1], sys.argv[1], v[0], v[1], v[2], ",".join(f)))'

# The folders of LD_LIBRARY_PATH that hold what an environment brings itself.
tell_shadowing() {
  [ "${#libraries}" -le 4096 ] || return 0
  old_ifs=$IFS
  IFS=:
  set -f
  # shellcheck disable=SC2086
  set -- $libraries
  set +f
  IFS=$old_ifs
  for folder in "$@"; do
    folder=${folder%/}
    case $folder in
    */./* | */../* | *//*) ;;
    /*) ! holds_libraries "$folder" || say shadowing "$folder" ;;
    esac
  done
}

holds_libraries() {
  for library in "$1"/libcudart.so* "$1"/libcublas.so* "$1"/libcudnn.so* "$1"/libnccl.so* \
    "$1"/libstdc++.so*; do
    [ ! -e "$library" ] || return 0
  done
  return 1
}

tell_settings() {
  for each in "$home/.condarc" "$home/.conda/.condarc" "$home/.mambarc" /etc/conda/.condarc \
    "$home/.config/conda/.condarc" "$home/.config/pip/pip.conf" "$home/.pip/pip.conf" \
    /etc/pip.conf "$home/.config/uv/uv.toml" /etc/uv/uv.toml; do
    ! [ -f "$each" ] || say setting "$each"
  done
  # names only: the values may hold passwords
  env | sed -n \
    -e '/^CONDA_\(EXE\|PREFIX\|PREFIX_[0-9]*\|SHLVL\|DEFAULT_ENV\|PROMPT_MODIFIER\|PYTHON_EXE\)=/d' \
    -e '/^_*CONDA_\(ROOT\|EXE\)=/d' \
    -e 's/^\(\(https\{0,1\}\|all\|no\|HTTPS\{0,1\}\|ALL\|NO\)_\([Pp][Rr][Oo][Xx][Yy]\)\)=.*/\1/p' \
    -e 's/^\(\(PIP\|UV\|CONDA\)_[A-Z0-9_]*\)=.*/\1/p' | while read -r each; do
    say setting "$each"
  done
}
