# shellcheck shell=sh
# pack.sh PREFIX: the environment as a compressed tar archive on stdout, conda's records first. Why it
# could not be read goes to stderr, with a status.

main() {
  cd "$1" || exit 1
  GPUWS_PACKING=$1/ # in the environment of tar: for `env gc` a process that uses it
  export GPUWS_PACKING
  set --
  for each in * .[!.]* ..?*; do
    case $each in conda-meta | .gpuws-complete | .gpuws-leaving) continue ;; esac
    if [ -e "$each" ] || [ -L "$each" ]; then set -- "$@" "./$each"; fi
  done
  [ ! -d conda-meta ] || set -- ./conda-meta "$@"
  exec 4>&1
  status=$({
    {
      t_status=0
      tar -cf - "$@" 4>&- || t_status=$?
      printf '%s' "$t_status" >&3
    } | gzip -1 >&4
  } 3>&1)
  exit "${status:-1}"
}

main "$@" </dev/null
