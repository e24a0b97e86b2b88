# shellcheck shell=sh
# Who changed an environment since it was built, and what it asks of numpy. Nothing of it is run.

MOST_TOLD=200

# touched PREFIX: entries of its books that are newer than the list of what was built:
# touched<TAB>SECONDS OWNER asked|- conda|python NAME. OWNER is "?" and SECONDS 0 where there is no
# stat; "asked": whoever installed it named it, it did not come with another.
touched() {
  t_count=0
  for t_path in "$1"/conda-meta/*.json "$1"/lib/python3*/site-packages/*.dist-info; do
    # shellcheck disable=SC3013 # dash, bash and busybox know -nt
    [ -e "$t_path" ] && [ "$t_path" -nt "$1/.gpuws-packages" ] || continue
    t_count=$((t_count + 1))
    [ "$t_count" -le "$MOST_TOLD" ] || return 0
    t_name=${t_path##*/} t_asked=-
    case $t_name in
    *.json) t_name="conda ${t_name%.json}" ;;
    *) t_name="python ${t_name%.dist-info}" ;;
    esac
    [ ! -e "$t_path/REQUESTED" ] || t_asked=asked
    say touched "$(stat -c '%Y %U' "$t_path" 2>/dev/null || printf '0 ?') $t_asked $t_name"
  done
}

# commands PREFIX: what conda's own history tells, without the commands of the build itself:
# command<TAB>DATE<TAB>COMMAND
commands() {
  [ -f "$1/conda-meta/history" ] && [ ! -L "$1/conda-meta/history" ] || return 0
  c_date=''
  while IFS= read -r c_line; do
    case $c_line in
    '==> '*' <==')
      c_date=${c_line#==> }
      c_date=${c_date% <==}
      ;;
    *"/builds/${1##*/}/"*) ;;
    '# cmd: '*) say command "$c_date	${c_line#\# cmd: }" ;;
    esac
  done <"$1/conda-meta/history"
}

# numpy_bounds PREFIX: which numpy packages were made for: bound<TAB>conda|python NAME numpy...
numpy_bounds() {
  {
    grep -E '^Requires-Dist: *numpy([^A-Za-z0-9_.-]|$)' /dev/null \
      "$1"/lib/python3*/site-packages/*.dist-info/METADATA 2>/dev/null |
      sed 's,^.*/\([^/]*\)\.dist-info/METADATA:Requires-Dist: *,python \1 ,'
    grep -E '^ *"numpy[ <>=!~][^"]*",?$' /dev/null "$1"/conda-meta/*.json 2>/dev/null |
      sed 's,^.*/\([^/]*\)\.json: *"\([^"]*\)".*$,conda \1 \2,'
  } | while IFS= read -r n_line; do say bound "$n_line"; done
}
