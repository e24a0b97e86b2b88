# shellcheck shell=sh
# shellcheck disable=SC2154 # prefix: build.sh; base: shared.sh; s_*: probe/shared.sh
# shellcheck disable=SC2034 # marker_mode is read by build.sh
# What a shared environment has over one's own: nobody can change it once it is complete.

# separate: the tools link nothing to a cache of ours, where it could be changed.
separate() {
  CONDA_ALWAYS_COPY=true MAMBA_ALWAYS_COPY=true UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
  export CONDA_ALWAYS_COPY MAMBA_ALWAYS_COPY UV_LINK_MODE UV_COMPILE_BYTECODE
}

# seal: nobody writes in it any more, and the group reads it, whatever umask it was made with.
seal() {
  step 'sealing it for the group'
  chmod -R u+rwX "$prefix" || fail environment-failed 1
  part_from_others || fail environment-failed 1
  shared_state "$base"
  e_others='o-rwx' marker_mode=440
  case $s_bits in *5) e_others='o-w,o+rX' marker_mode=444 ;; esac
  chgrp -Rh "$s_common" "$prefix" || fail environment-failed 1
  chmod -R "a-w,ug+rX,$e_others" "$prefix" || fail environment-failed 1
  chmod u+w "$prefix" # for the marker
}

# part_from_others: what a tool has linked all the same becomes a file of its own.
part_from_others() {
  # shellcheck disable=SC2016 # the inner shell expands it
  find "$prefix" -type f -links +1 -exec /bin/sh -c '
    for each; do cp -p "$each" "$each.gpuws" && mv -f "$each.gpuws" "$each" || exit 1; done
  ' sh {} +
}
