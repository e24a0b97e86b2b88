# shellcheck shell=sh
# shellcheck disable=SC2154 # root is set by the script after it

# mark_root: the folder is gpuws's own. In HOME itself the name means something else: a pointer.
mark_root() {
  if [ "$root" != "$HOME" ] && [ ! -e "$root/.gpuws-root" ]; then : >"$root/.gpuws-root"; fi
}
