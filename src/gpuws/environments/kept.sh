# shellcheck shell=sh
# shellcheck disable=SC2154 # build: build.sh
# What a build keeps of the environment before it: kept-conda (lines of a yml's dependencies) and
# kept-pip (constraints). Where that does not go with the file as it is now, it is let go, once.

# heard COMMAND...: run it; what it says is kept in scratch/said, its status in scratch/status.
heard() {
  {
    h_status=0
    "$@" 8>&- || h_status=$?
    printf '%s\n' "$h_status" >"$build/scratch/status"
  } 2>&1 | tee "$build/scratch/said"
  return "$(cat "$build/scratch/status")"
}

said() { grep -Eqi "$1" "$build/scratch/said"; }

# let_go: status 1 where nothing was kept, or what failed had another reason.
let_go() {
  [ -s "$build/kept-conda" ] || [ -s "$build/kept-pip" ] || return 1
  said 'unsatisfiable|could not solve|no solution found|does not exist|packagesnotfound|resolvepackagenotfound|nothing provides|resolutionimpossible|conflicting dependencies|no matching distribution' ||
    return 1
  step 'what was built before does not go with the file as it is now: once more, all of it free'
  : >"$build/kept-conda"
  : >"$build/kept-pip"
}

# with_kept COMMAND...: an installer that knows -c, first with the constraints.
with_kept() {
  if [ -s "$build/kept-pip" ]; then
    if heard "$@" -c "$build/kept-pip"; then return 0; fi
    let_go || return "$(cat "$build/scratch/status")"
  fi
  "$@"
}
