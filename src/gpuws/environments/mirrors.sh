# shellcheck shell=sh
# shellcheck disable=SC2154 # MODULES is login.sh's
# mirrors.sh SUBDIR PROLOGUE VARIABLES [NAME VALUE]... [channel|index|hub COUNT ADDRESS...]...: of
# each group the first address that has what it is named for. The groups are asked at the same time,
# each in its order, an address for LIMIT seconds. VARIABLES: how many. Writes nothing.
# Answers by the address's number: "yes N", or "no N REASON"; and alias, where names lead.

LIMIT=5

# proxies PROLOGUE: those that it sets. It is for another shell, and may hold a secret: on stdin.
proxies() {
  [ -n "$1" ] || return 0
  p_shell='sh'
  ! have bash || p_shell='bash'
  p_found=$(printf '%s\n' "$MODULES" '{' "$1" '} >/dev/null 2>&1 </dev/null' env |
    limited "$LIMIT" "$p_shell" 2>/dev/null | grep -i '^[a-z]*_proxy=') || :
  lines_of "$p_found" set_proxy
}

set_proxy() { export "${1%%=*}=${1#*=}"; }

# page KIND ADDRESS: one that only what is looked for has. Every conda tool can use repodata.json,
# and no index of packages that serves builds is without pip.
page() {
  case $1 in
  channel) printf '%s/%s/repodata.json\n' "$(channel_url "$2")" "$subdir" ;;
  hub) printf '%s/api/models?limit=1\n' "${2%/}" ;;
  *) case $2 in
    file://* | /*) printf '%s/pip/index.html\n' "${2%/}" ;;
    *) printf '%s/pip/\n' "${2%/}" ;;
    esac ;;
  esac
}

# known_by KIND: "found" where stdin begins like it. A portal answers every question with a page of
# its own, so that the status tells nothing. What follows is not waited for.
known_by() {
  case $1 in
  channel) [ "$(dd bs=1 count=1 2>/dev/null)" = '{' ] && printf 'found\n' ;;
  hub) [ "$(dd bs=1 count=1 2>/dev/null)" = '[' ] && printf 'found\n' ;;
  *) sed -n '/pip-[0-9]/{
s/.*/found/p
q
}' ;;
  esac
}

# ask NUMBER KIND ADDRESS: status 1 where it is of no use.
ask() {
  a_said=$({ stream "$(page "$2" "$3")" "$LIMIT" | known_by "$2"; } 2>&1) || :
  case $NL$a_said$NL in
  *"${NL}found$NL"*)
    say yes "$1"
    return 0
    ;;
  *'(23)'* | *BrokenPipe* | "$NL$NL") a_said='it answers with something else' ;;
  esac
  say no "$1 $(printf '%s\n' "$a_said" | tail -n 1 | cut -c 1-200)"
  return 1
}

# first NUMBER KIND COUNT ADDRESS...: NUMBER is that of the address before.
first() {
  f_number=$1 f_kind=$2 f_last=$(($1 + $3))
  shift 3
  while [ "$f_number" -lt "$f_last" ]; do
    f_number=$((f_number + 1))
    ! ask "$f_number" "$f_kind" "$1" || return 0
    shift
  done
}

main() {
  subdir=$1
  m_prologue=$2 m_count=$3
  shift 3
  while [ "$m_count" -gt 0 ]; do # those of the build: a proxy may be among them
    export "$1=$2"
    m_count=$((m_count - 1))
    shift 2
  done
  proxies "$m_prologue"
  read_alias
  say alias "$alias_url"
  m_number=0
  while [ $# -ge 2 ]; do
    first "$m_number" "$@" &
    m_number=$((m_number + $2))
    shift $(($2 + 2))
  done
  wait
}

main "$@" </dev/null
