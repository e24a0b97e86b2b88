# shellcheck shell=sh
# shellcheck disable=SC2154 # root is set by root.sh
# purge.sh ROOT list|remove: everything that gpuws ever put on this host. Only folders with the
# names that gpuws makes, below a root with our marker; what else lies there is left and named.

OURS='workspaces envs builds tools cache run projects'

# size_kb PATH: bounded, because a project may lie on a slow disk; empty where it took too long.
size_kb() { limited 20 du -sk "$1" 2>/dev/null | tr -dc '0-9\t\n' | cut -f1 | head -n 1; }

remove_ours() {
  for each in $OURS; do
    [ -e "$root/$each" ] || [ -L "$root/$each" ] || continue
    if [ -L "$root/$each" ]; then
      say left "$root/$each"
      continue
    fi
    # packages come with folders that not even their owner may write in
    rm -rf -- "${root:?}/$each" 2>/dev/null || {
      chmod -R u+rwX "$root/$each" 2>/dev/null || :
      rm -rf -- "${root:?}/$each" 2>/dev/null || :
    }
    if [ -e "$root/$each" ]; then say left "$root/$each"; else say removed "$root/$each"; fi
  done
}

# A pointer in HOME goes with the root that it names; the root itself when nothing else is in it.
remove_root() {
  if [ -f "$HOME/.gpuws-root" ] && [ "$(look_line "$HOME/.gpuws-root")" = "$root" ]; then
    rm -f "$HOME/.gpuws-root" && say removed "$HOME/.gpuws-root"
  fi
  rm -f "$root/.gpuws-root"
  if rmdir "$root" 2>/dev/null; then
    say removed "$root"
  else
    say kept "$root: $(find "$root" ! -name . -prune -o -name '*' 2>/dev/null | wc -l) other entries"
  fi
}

# Socket folders lie elsewhere when the root is on a network file system.
remove_elsewhere() {
  for each in "${XDG_RUNTIME_DIR:-/nowhere}/gpuws" "/var/tmp/gpuws-$(id -u)" \
    "/tmp/gpuws-$(id -u)" "/dev/shm/gpuws-$(id -u)"; do
    { [ -d "$each" ] && [ ! -L "$each" ] && look_ours "$each"; } || continue
    rmdir "$each"/?-???????? 2>/dev/null || :
    ! rmdir "$each" 2>/dev/null || say removed "$each"
  done
}

main() {
  find_root "$1"
  if [ ! -f "$root/.gpuws-root" ] || [ -L "$root" ] || ! look_ours "$root"; then
    say absent yes
    return 0
  fi
  if [ "$2" = list ]; then
    for each in $OURS; do
      [ ! -d "$root/$each" ] || say holds "$root/$each	$(size_kb "$root/$each")"
    done
    return 0
  fi
  remove_ours
  remove_root
  remove_elsewhere
}

main "$@" </dev/null
