# shellcheck shell=sh
# shellcheck disable=SC2154 # set by the scripts after it, which have step and fail
# What makes a prefix a complete environment: it is looked at, written down, and marked.

# health: the tool's word is not enough; some end with 0 although a package is missing. It is weighed
# meanwhile.
health() {
  step 'checking the environment'
  { du -sk "$prefix" 2>/dev/null | tr -dc '0-9\t' | cut -f1 >"$build/scratch/kb"; } &
  weighing=$!
  if [ ! -s "$prefix/conda-meta/history" ] && [ ! -s "$prefix/pyvenv.cfg" ]; then
    fail health-check-failed 1
  fi
  while IFS= read -r h_name; do
    [ -n "$h_name" ] || continue
    set -- "$prefix/conda-meta/$h_name"-*.json
    [ -e "$1" ] || {
      step "$h_name was asked for and is not there"
      fail health-check-failed 1
    }
  done <"$build/conda-names"
  if [ "$order_locked" = 1 ]; then all_locked; fi
  if [ -x "$prefix/bin/python" ]; then
    h_status=0
    cat "$build/pip-names" >"$build/scratch/pip-names"
    [ "$order_locked" = 0 ] || cat "$build/pip-locked" >>"$build/scratch/pip-names"
    "$prefix/bin/python" -I "$build/check.py" "$order_jupyter" "$build/scratch/pip-names" \
      "$build/imports" "$order_cards" || h_status=$?
    case $h_status in
    0) ;;
    3) fail pip-failed 0 ;;
    *) fail health-check-failed "$h_status" ;;
    esac
  elif [ "$order_jupyter" = 1 ] || [ -s "$build/pip-names" ] || [ -s "$build/imports" ]; then
    step 'there is no python in the environment'
    fail health-check-failed 1
  fi
}

# all_locked: every package of the lock in its build, and no other.
all_locked() {
  l_count=0
  while IFS= read -r l_name; do
    l_count=$((l_count + 1))
    [ -e "$prefix/conda-meta/$l_name.json" ] || {
      step "$l_name is in the lock and is not there"
      fail health-check-failed 1
    }
  done <"$build/conda-locked"
  set -- "$prefix"/conda-meta/*.json
  [ -e "$1" ] || shift
  [ "$#" -eq "$l_count" ] || {
    step "there are $# packages, the lock has $l_count"
    fail health-check-failed 1
  }
}

# record: what drift is measured against.
record() {
  packages "$prefix" >"$build/scratch/packages"
  cat "$build/scratch/packages" >"$prefix/.gpuws-packages"
}

# marker: written last; only a prefix that has it is ever used.
marker() {
  m_version=$(printf %s "$tool_version" | tr -cd '0-9A-Za-z.+-')
  m_now=$(date +%s)
  m_text="{\"hash\":\"$hash\",\"tool\":\"$order_tool\",\"version\":\"$m_version\""
  wait "$weighing" || :
  m_kb=$(cat "$build/scratch/kb")
  m_text="$m_text,\"seconds\":$((m_now - began)),\"created\":$m_now,\"kb\":${m_kb:-0}"
  [ -z "${order_declared:-}" ] || m_text="$m_text,\"declared\":\"$order_declared\""
  m_text="$m_text}$NL"
  sync -f "$prefix" 2>/dev/null || sync 2>/dev/null || : # other disks of the host are not waited for
  write "$prefix/.gpuws-complete" "${marker_mode:-600}" "$m_text"
  [ -z "${desk:-}" ] || chmod u-w "$prefix"
}
