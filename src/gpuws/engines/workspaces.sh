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
  for folder in "$root"/workspaces/*/; do
    folder=${folder%/}
    look_ours "$folder" || continue
    [ -z "$2" ] || [ "${folder##*/}" = "$2" ] || continue
    token=$(look_line "$folder/token")
    [ -z "$token" ] || say token "${folder##*/}	$token"
  done
}

main "$@" </dev/null
