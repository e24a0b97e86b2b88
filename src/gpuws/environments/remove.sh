# shellcheck shell=sh
# remove.sh ROOT LEAVING HASH...: environments that nobody uses. What is used by now is kept, with a
# reason. LEAVING: names of workspaces that have ended and do not want theirs any more.
# Answers: removed PATH, kept HASH<TAB>WHY, left PATH.

# why_kept: who uses it. A workspace counts also when it is stopped: its next start wants it.
why_kept() {
  for other in "$root"/workspaces/*/workspace.json; do
    [ -f "$other" ] || continue
    user=${other%/workspace.json}
    user=${user##*/}
    case " $leaving " in *" $user "*) continue ;; esac
    if grep -qF "\"$prefix\"" "$other" 2>/dev/null; then
      printf 'the workspace %s uses it' "$user"
      return 0
    fi
  done
  tools=$(tools_of "$root" "$hash" | head -n 1)
  if [ -n "$tools" ]; then
    printf "gpuws's %s lives in it" "$tools"
    return 0
  fi
  pids=$(users "$root" "$hash" | head -n 5 | tr '\n' ' ')
  [ -z "$pids" ] || printf 'processes use it: %s' "${pids% }"
}

links() {
  for link in "$root"/envs/*; do
    if [ -L "$link" ] && [ "$(link_target "$link")" = "$hash" ]; then rm -f -- "$link"; fi
  done
}

# The marker goes first: from then on no `up` takes the environment for one that is there, and what
# an interrupted removal leaves is an unfinished one. Who came before that is seen after it.
one() {
  prefix=$root/envs/$hash build=$root/builds/$hash
  if [ -L "$prefix" ] || { [ -e "$prefix" ] && ! { [ -d "$prefix" ] && [ -O "$prefix" ]; }; }; then
    say kept "$hash	gpuws did not make it"
    return 0
  fi
  [ -e "$prefix" ] || return 0
  if [ ! -L "$build" ] && building "$build"; then
    say kept "$hash	it is being built"
    return 0
  fi
  [ ! -f "$prefix/.gpuws-complete" ] || mv -f "$prefix/.gpuws-complete" "$prefix/.gpuws-leaving" ||
    die read-only "cannot write $prefix" "ls -ld says whose it is"
  why=$(why_kept)
  if [ -n "$why" ]; then
    [ ! -f "$prefix/.gpuws-leaving" ] || mv -f "$prefix/.gpuws-leaving" "$prefix/.gpuws-complete"
    say kept "$hash	$why"
    return 0
  fi
  links
  rm -rf -- "$prefix" 2>/dev/null || {
    chmod -R u+rwX "$prefix" 2>/dev/null || :
    rm -rf -- "$prefix" 2>/dev/null || :
  }
  if [ -e "$prefix" ]; then say left "$prefix"; else say removed "$prefix"; fi
  [ -L "$build" ] || rm -rf -- "$build"
}

main() {
  root=$1 leaving=$2
  shift 2
  if [ ! -f "$root/.gpuws-root" ] || [ -L "$root/envs" ] || [ -L "$root/builds" ]; then
    die not-ours "$root has no environments that gpuws made" "it removes nothing through links"
  fi
  for hash in "$@"; do
    check_hash "$hash"
    one
  done
}

main "$@" </dev/null
