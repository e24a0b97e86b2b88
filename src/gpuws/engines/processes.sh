# shellcheck shell=sh
# shellcheck disable=SC2154 # folder: folders.sh
# processes.sh ROOT NAME: what carries the session's nonce, for somebody else to judge.
# process<TAB>PID<TAB>PARENT<TAB>SESSION<TAB>TERMINAL<TAB>START<TAB>COMMAND; service and supervisor PID
main() {
  known_workspace "$1" "$2"
  say boot_time "$(look_booted)"
  say ticks "$(getconf CLK_TCK 2>/dev/null || echo 100)"
  look_json=$(look_line "$folder/workspace.json")
  ! look_alive "$folder/pid" || say supervisor "$(look_line "$folder/pid")"
  ! look_alive "$folder/service" || say service "$(look_line "$folder/service")"
  for number in $(with_nonce "$(look_value instance "$look_json")"); do
    stat=''
    read -r stat 2>/dev/null <"/proc/$number/stat" || continue
    # shellcheck disable=SC2086 # the fields after the name
    set -- ${stat##*)}
    case ${1:-Z} in Z | X) continue ;; esac
    say process "$number	$2	$4	$5	${20}	$(command_of "$number")"
  done
}

main "$@" </dev/null
