# shellcheck shell=sh disable=SC2034,SC2154  # variables are shared with the other parts
# Part of the probe: what a login shell, an rc file or the prologue sets up. Fills PATH, conda_exe,
# mamba_exe, mamba_prefix and libraries.

# asks what a shell of the user's has set up; the same words in bash, dash, zsh, fish and tcsh
# shellcheck disable=SC2016  # that shell expands them, not this one
ASK='/bin/sh -c '\''printf "\n%s\n" "gpuws-path=$PATH" "gpuws-conda=$CONDA_EXE" "gpuws-mamba=$MAMBA_EXE" "gpuws-prefix=$MAMBA_ROOT_PREFIX" "gpuws-libraries=$LD_LIBRARY_PATH"'\'''

# One login shell, in the way its kind understands; its rc files may print what they like.
ask_login() {
  case ${SHELL:-/bin/sh} in
  */tcsh | */csh) learn "$(ask_shell 5 "$SHELL" -c "$ASK")" ;;
  *) learn "$(ask_shell 5 "${SHELL:-/bin/sh}" -l -c "$ASK")" ;;
  esac
  say path "$PATH"
}

# The rc file of an interactive shell, where `conda init` writes. Asked only when all else failed.
ask_rc() {
  asked=${SHELL:-}
  case $asked in
  */bash | */zsh | */fish) ;;
  */tcsh | */csh)
    learn "$(ask_shell 5 "$asked" -c "$ASK")"
    return
    ;;
  *)
    find_tool bash || return 0
    asked=$found
    ;;
  esac
  learn "$(ask_shell 5 "$asked" -i -c "$ASK")"
}

# ask_shell SECONDS SHELL ARG...: what it answers to ASK. In a session of its own, because an
# interactive shell takes hold of a terminal where there is one; detached, because a grandchild
# may hold the pipe for ever.
ask_shell() {
  asked_for=$1
  shift
  (
    HISTFILE=/dev/null
    export HISTFILE
    if [ "$has_timeout" = yes ] && have setsid; then
      setsid timeout -s KILL "$asked_for" "$@"
    else
      within "$asked_for" "$@"
    fi </dev/null 2>/dev/null &
  ) | within "$asked_for" sed -n '/^gpuws-[a-z]*=/p'
}

# learn ANSWER: take the variables that ASK printed. An answer without them changes nothing.
learn() {
  lines_of "$1" learn_line
}

learn_line() {
  value=${1#*=}
  case $1 in
  gpuws-path=*/*) PATH=$value:$PATH ;;
  gpuws-conda=/*) conda_exe=$value ;;
  gpuws-mamba=/*) mamba_exe=$value ;;
  gpuws-prefix=/*) mamba_prefix=$value ;;
  gpuws-libraries=*) libraries=$value ;;
  esac
}

# lines_of TEXT FUNCTION: call it with each line that is not empty, in this shell.
lines_of() {
  for_each=$2
  lines_ifs=$IFS
  IFS=$NL
  set -f
  # shellcheck disable=SC2086
  set -- $1
  set +f
  IFS=$lines_ifs
  for line in "$@"; do "$for_each" "$line"; done
}

# The prologue goes in on stdin: it may hold a secret, and arguments are for all to see. `module`
# is a function that only login shells define, so its definition is read first.
ask_prologue() {
  shell=/bin/sh
  ! find_tool bash || shell=$found
  told=$(
    (
      # shellcheck disable=SC2016
      printf '%s\n' "$MODULES" '{' "$1" '} >/dev/null </dev/null' 'gpuws_status=$?' "$ASK" \
        'echo "gpuws-status=$gpuws_status"' | within 8 "$shell" 2>&1 &
    ) | within 8 sed -n -e 1p -e '/^gpuws-[a-z]*=/p'
  ) || :
  case $NL$told in
  *"${NL}gpuws-status=0") ;;
  *) say prologue_error "$(failed_prologue "$told")" ;;
  esac
  learn "$told"
  say path "$PATH"
}

failed_prologue() {
  said=${1%%"$NL"*}
  case $said in gpuws-*) said= ;; esac
  case $1 in
  *gpuws-status=*) printf 'status %s' "${1##*gpuws-status=}" ;;
  *) printf 'it did not come to its end' ;;
  esac
  [ -z "$said" ] || printf ': %s' "$said"
}

# shellcheck disable=SC2016
MODULES='if ! command -v module >/dev/null 2>&1; then
  for gpuws_file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh \
    "${MODULESHOME:-/nowhere}/init/sh" /usr/share/lmod/lmod/init/sh /usr/share/modules/init/sh; do
    [ -r "$gpuws_file" ] || continue
    . "$gpuws_file" >/dev/null 2>&1
    break
  done
fi'
