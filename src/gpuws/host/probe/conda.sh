# shellcheck shell=sh disable=SC2034,SC2154  # variables are shared with the other parts
# Part of the probe: conda, mamba, micromamba and the environments they know.

tell_conda() {
  roots=
  told_tools=
  for each in conda mamba micromamba; do
    ! find_tool "$each" || tell_conda_tool "$each" "$found"
  done
  tell_conda_variables
  look_in_usual_roots
  [ -n "$told_tools" ] || tell_conda_by_rc
  tell_environments
}

tell_conda_variables() {
  [ ! -x "$conda_exe" ] || tell_conda_tool conda "$conda_exe"
  case ${mamba_exe##*/} in
  mamba | micromamba) [ ! -x "$mamba_exe" ] || tell_conda_tool "${mamba_exe##*/}" "$mamba_exe" ;;
  esac
}

look_in_usual_roots() {
  for each in "${mamba_prefix:-/nowhere}" "$home"/miniconda3 "$home"/miniforge3 "$home"/mambaforge \
    "$home"/anaconda3 "$home"/micromamba "$home"/.local /opt/conda /opt/miniconda3 \
    /opt/miniforge3 /opt/mambaforge /opt/anaconda3 /usr/local /usr/local/miniconda3 \
    /usr/local/miniforge3 /usr/local/anaconda3 "$root"/tools; do
    for name in conda mamba micromamba; do
      ! find_in "$each/bin" "$name" || tell_conda_tool "$name" "$found"
    done
  done
}

tell_conda_by_rc() {
  ask_rc
  for each in conda mamba micromamba; do
    ! find_tool "$each" || tell_conda_tool "$each" "$found"
  done
  tell_conda_variables
}

# tell_conda_tool NAME PATH: the first one of a name counts, but every root is remembered for its
# environments. The version is read off conda-meta: asking the tool takes half a second.
tell_conda_tool() {
  tool_root=$2
  ! [ -L "$2" ] || tool_root=$(readlink -f "$2" 2>/dev/null) || tool_root=$2
  tool_root=${tool_root%/*/*}
  version=
  for meta in "$tool_root"/conda-meta/"$1"-[0-9]*.json; do
    version=${meta##*/"$1"-}
    version=${version%%-*}
  done
  [ "$version" != '[0' ] || version=
  say tool "$1	$2	$version"
  told_tools=yes
  roots=$roots$tool_root$NL
}

tell_environments() {
  listed=
  ! [ -r "$home/.conda/environments.txt" ] || listed=$(cat "$home/.conda/environments.txt")
  lines_of "$listed" tell_environment
  lines_of "$mamba_prefix$NL$roots$home/.conda$NL$home/micromamba$NL$home/.local/share/mamba" \
    tell_environments_of
}

tell_environment() { ! is_environment "$1" || say env "$1"; }

tell_environments_of() {
  for folder in "$1"/envs/*; do tell_environment "$folder"; done
  ! [ -d "$1/conda-meta" ] || try_pythons "$1/bin/python3"
}

# is_environment PATH: one of the user's; those that gpuws made are told as prefixes.
is_environment() {
  case $1 in
  "$root"/*) return 1 ;;
  /*) [ -d "$1/conda-meta" ] ;;
  *) return 1 ;;
  esac
}
