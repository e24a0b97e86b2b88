# shellcheck shell=sh
# The processes of a session: those of this user whose environment carries its nonce.

# with_nonce NONCE: their numbers. Zombies have no environment any more.
with_nonce() {
  case $1 in *[!0-9a-f]* | '') return 0 ;; esac
  [ ${#1} -eq 32 ] || return 0
  grep -l "GPUWS_SESSION=$1" /proc/[0-9]*/environ 2>/dev/null | while read -r n_file; do
    n_file=${n_file%/environ}
    [ ! -O "$n_file" ] || printf '%s\n' "${n_file#/proc/}"
  done
}

# without KEEP: of the numbers on stdin those that KEEP ("PID:START PID:START") does not have.
without() {
  while read -r n_pid; do
    n_record=$(look_process "$n_pid")
    [ -n "$n_record" ] || continue
    n_record=${n_record% *}
    case " $1 " in
    *" ${n_record% *}:${n_record#* } "*) ;;
    *) printf '%s\n' "$n_pid" ;;
    esac
  done
}

# command_of PID: as ps would show it.
command_of() { tr '\0\n\t' '   ' 2>/dev/null <"/proc/$1/cmdline" | cut -c 1-300; }
