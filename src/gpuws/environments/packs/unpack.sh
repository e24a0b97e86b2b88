# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # own.sh, lock.sh and finish.sh set and read them
# unpack.sh ROOT HASH ENGINE UNIT RUN TOOL VERSION JUPYTER MINOR [PYTHON...]: an environment out of the
# archive that follows on stdin. MINOR "" : it brings its python; else one of these has to be it.
# Answers state: complete or running (then nothing is read), ready with base PATH, at last done with
# marker MARKER.

step() { printf 'gpuws: %s\n' "$1"; }

fail() {
  case $1 in
  pip-failed) die health-check-failed "packages that were asked for are not in it" ;;
  *) die "$1" "what came does not work on this host (status $2)" ;;
  esac
}

# choose_base MINOR PYTHON...: the first of them that is this python.
choose_base() {
  b_minor=$1 b_first=$2
  shift
  for b_path in "$@"; do
    [ -x "$b_path" ] || continue
    b_found=$(limited 10 "$b_path" -I -S -c \
      'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || :)
    if [ "$b_found" = "$b_minor" ]; then
      say base "$b_path"
      return 0
    fi
  done
  die python-not-found "the environment is made from $b_first (python $b_minor), which is not there" \
    "install python $b_minor on the host, or build the environment there with gpuws up"
}

# ended: what is not complete gives its space back, and whoever waits for it hears so.
ended() {
  trap - EXIT
  [ ! -e "$prefix/.gpuws-complete" ] || return 0
  (remove_partial "$root" "$hash") >/dev/null 2>&1 || :
  (write "$build/state" 600 'failed build-interrupted 143') >/dev/null 2>&1 || :
  rm -rf "$build/scratch" "$build/pid"
}

# receive: the laptop has checked every name of it, and sends "whole" last, when its checksum was right.
# What tar says is kept in memory, since the disk may be full.
receive() {
  r_said=$({ gzip -dc <&3 2>/dev/null | tar -xo -f - -C "$root" 2>&1 || echo "tar: status $?"; } |
    tail -n 20)
  case $r_said in
  '') [ ! -f "$build/scratch/whole" ] || return 0 ;;
  *'No space left'* | *[Qq]uota*) die disk-full "the disk of $root is full" \
    "gpuws env gc removes what nobody uses; root: in hosts.yaml names another place" ;;
  *'tar: status '*) ;;
  *) [ ! -f "$build/scratch/whole" ] || return 0 ;; # it only warned
  esac
  printf '%s\n' "$r_said" >&2
  die build-interrupted "the archive did not arrive whole" "run the command again"
}

finish() {
  order_tool=$1 tool_version=$2 order_jupyter=$3 order_cards=0 order_locked=0
  for c_name in conda-names pip-names imports; do
    [ -f "$build/$c_name" ] || : >"$build/$c_name"
  done
  health
  [ -f "$prefix/.gpuws-packages" ] || record
  marker
  write "$build/state" 600 'done'
  rm -rf "$build/scratch"
}

main() {
  root=$1 hash=$2 engine=$3 unit=$4 run=$5
  check_hash "$hash"
  build=$root/builds/$hash prefix=$root/envs/$hash began=$(date +%s)
  if say_complete "$prefix"; then return 0; fi
  { have tar && have gzip; } || die no-downloader "the host has no tar or no gzip to unpack with"
  tool=$6 version=$7 jupyter=$8 minor=$9
  shift 9
  [ -z "$minor" ] || choose_base "$minor" "$@"
  folders "$root" "$hash"
  if ! take "$build" "$(this_node) $(this_boot) $$ $engine $unit $run" lives; then
    say state running
    return 0
  fi
  older_locks "$build"
  if say_complete "$prefix"; then return 0; fi
  engine_stop "$run" "$unit"
  end_leftovers "$build"
  remove_partial "$root" "$hash" >/dev/null
  GPUWS_BUILD=$build # in the environment of tar: what ends a build ends this
  export GPUWS_BUILD
  trap '' PIPE # a laptop that is gone must not keep us from cleaning up
  trap ended EXIT
  trap 'exit 143' TERM HUP INT
  rm -rf "$build/pid" "$build/build.log" "$build/build.log.1" "$build/scratch" "$build"/wanted-*
  mkdir -p "$build/scratch" "$prefix"
  write "$build/state" 600 'running'
  write "$build/pid" 600 "$$ $(started $$)$NL"
  say state ready
  receive
  finish "$tool" "$version" "$jupyter"
  trap - EXIT
  say marker "$(head -n 1 "$prefix/.gpuws-complete")"
  say state 'done'
}

main "$@" 3<&0 </dev/null
