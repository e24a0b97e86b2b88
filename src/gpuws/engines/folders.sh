# shellcheck shell=sh
# Folders of ours: own, not links, 0700. Nothing is written through anybody else's.

# private_folders PATH...: make them, or refuse. All at once, because each process costs a
# millisecond; so nothing may lie in a folder of this call that others could have made.
private_folders() {
  f_missing=''
  for f_each in "$@"; do
    [ ! -L "$f_each" ] || die root-not-private "$f_each is a link" \
      "name the folder it points to with root: in hosts.yaml"
    if [ -d "$f_each" ]; then own_folder "$f_each"; else f_missing=$f_each; fi
  done
  if [ -n "$f_missing" ] && ! mkdir -p -- "$@" 2>/dev/null; then
    for f_each in "$@"; do
      [ -d "$f_each" ] || die no-root-folder "cannot make the folder $f_each" \
        "df -h says whether the disk is full; root: in hosts.yaml names another place"
    done
  fi
  for f_each in "$@"; do own_folder "$f_each"; done
  are_private "$@" || chmod 700 "$@"
}

own_folder() {
  look_ours "$1" || die root-not-private "$1 belongs to somebody else" \
    "name a folder of your own with root: in hosts.yaml"
}

# shellcheck disable=SC2010,SC2012 # modes, where there is no stat
are_private() { ! ls -ld "$@" | grep -qv '^d...------'; }

# root_folder PATH: it may have been there before us (a volume), but nobody else may write in it.
root_folder() {
  if [ ! -d "$1" ] && [ ! -L "$1" ]; then private_folders "$1"; fi
  if [ -L "$1" ] || ! look_ours "$1"; then
    die root-not-private "$1 is a link, or belongs to somebody else" \
      "name a folder of your own with root: in hosts.yaml"
  fi
  # shellcheck disable=SC2012 # modes, where there is no stat
  case $(ls -ld "$1") in
  d????w* | d???????w*) die root-not-private "others can write in $1" "chmod go-w '$1' on the host" ;;
  esac
  [ -e "$1/.gpuws-root" ] || : >"$1/.gpuws-root"
}

# known_run RUN FOLDER: a socket folder that start.sh made for this very workspace. What
# workspace.json names is not believed otherwise: nothing is removed or ended there.
known_run() {
  case ${1##*/} in w-????????) ;; *) return 1 ;; esac
  case $1 in /*[!/]/w-????????) ;; *) return 1 ;; esac
  look_ours "$1" && are_private "$1" && [ "$(look_line "$1/workspace")" = "$2" ]
}

# known_name NAME: it can become part of a path, or is refused.
known_name() {
  case $1 in '' | .* | *[!A-Za-z0-9._-]*) die bad-name "no workspace can be called $1" ;; esac
}

# known_workspace ROOT NAME: sets folder, or refuses.
known_workspace() {
  known_name "$2"
  [ -f "$1/.gpuws-root" ] || die no-workspace "there is nothing of gpuws in $1"
  folder=$1/workspaces/$2
  [ -e "$folder" ] || [ -L "$folder" ] || die workspace-not-found "there is no workspace $2 in $1"
  if [ -L "$1/workspaces" ] || ! look_ours "$folder"; then
    die not-ours "$folder is a link, or not yours; gpuws touches nothing in it"
  fi
}

# remove_run RUN UNIT: the files that the engines and Jupyter make there, then the folder.
remove_run() {
  rm -f "$1/jupyter.sock" "$1/told" "$1/tmux.sock" "$1/tmux.pid" "$1/tmux.err" "$1/${1##*/}.pid" \
    "$1/${1##*/}.new" "$1/workspace"
  rmdir "$1" 2>/dev/null || :
}
