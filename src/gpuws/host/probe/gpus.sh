# shellcheck shell=sh disable=SC2034,SC2154  # variables are shared with the other parts
# Part of the probe: the cards, who uses them, the driver.

# nvidia-smi takes 0.1 to 2 s without persistence mode, so its three questions run side by side.
tell_gpus() {
  find_tool nvidia-smi || find_in /usr/lib/wsl/lib nvidia-smi ||
    find_in /usr/local/nvidia/bin nvidia-smi || return 0
  smi=$found
  tell_cards &
  tell_gpu_processes &
  tell_driver &
  wait
}

tell_cards() {
  told=$(ask_smi --query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu)
  case $told in
  *"gpuws-status 137") say gpu_error "nvidia-smi gave no answer within $SMI_SECONDS s" ;;
  *gpuws-status*) say gpu_error "nvidia-smi failed: ${told%%"$NL"*}" ;;
  *) lines_of "$told" tell_card ;;
  esac
}

tell_card() { say gpu "$1"; }

SMI_SECONDS=7 # below PATIENCE, so that its silence is told as its own

# ask_smi QUERY: its table, at most 256 short lines, and `gpuws-status N` below it when it failed.
ask_smi() {
  {
    within "$SMI_SECONDS" "$smi" "$1" --format=csv,noheader,nounits 2>&1 ||
      printf '\ngpuws-status %s' $?
  } | head -n 256 | cut -c 1-400
}

# Who a process belongs to is asked of /proc: ps cuts long names off.
tell_gpu_processes() {
  told=$(ask_smi --query-compute-apps=gpu_uuid,pid,used_memory)
  pids=
  lines_of "$told" tell_gpu_process
  [ -n "$pids" ] || return 0
  # shellcheck disable=SC2086,SC2012
  ls -ld $pids 2>/dev/null | while read -r _ _ owner _ _ _ _ _ pid; do
    say owner "${pid##*/}	$owner"
  done
}

tell_gpu_process() {
  # shellcheck disable=SC2086
  set -- $1
  case ${1:-} in GPU-*) ;; *) return 0 ;; esac
  case ${2:-} in
  *[!0-9,]* | "") return 0 ;;
  esac
  say gpu_process "${1%,}	${2%,}	${3:-}"
  pids="$pids /proc/${2%,}"
}

tell_driver() {
  told=$(within "$SMI_SECONDS" "$smi" 2>/dev/null) || return 0
  say_version driver "${told#*Driver Version: }"
  say_version cuda "${told#*CUDA Version: }"
}

# say_version KEY TEXT: the number that TEXT begins with, if it does.
say_version() {
  number=${2%%[!0-9.]*}
  [ -z "$number" ] || say "$1" "$number"
}
