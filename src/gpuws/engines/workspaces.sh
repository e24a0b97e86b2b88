# shellcheck shell=sh
# shellcheck disable=SC2154 # root: root.sh
# workspaces.sh ROOT NAME: where the host stands and what lives there; tokens of NAME, or of all.
main() {
  find_root "$1"
  say root "$root"
  say now "$(date +%s)"
  say node "$(uname -n)"
  say boot_time "$(look_booted)"
  ! [ -r /proc/sys/kernel/random/boot_id ] || say boot_id "$(cat /proc/sys/kernel/random/boot_id)"
  look_workspaces "$root"
  look_tokens "$root" "$2"
}

main "$@" </dev/null
