# shellcheck shell=sh
# origin.sh PREFIX BUILD: what an archive of an environment says of itself. BUILD "": not built here.
# Answers: system, machine, physical PATH, marker JSON, bytes, entries, base PATH, python VERSION,
# glibc MINOR, jupyter yes|no, now LINE (packages), file NAME<TAB>LINE of what it was built from.

# base PREFIX: where bin/python leads outside of the environment; nothing where it does not.
base() {
  b_path=$1/bin/python b_round=0
  while [ -L "$b_path" ] && [ "$b_round" -lt 10 ]; do
    b_round=$((b_round + 1))
    b_target=$(link_target "$b_path")
    case $b_target in
    "$1"/*) b_path=$b_target ;;
    /*)
      say base "$b_target"
      return 0
      ;;
    *) b_path=${b_path%/*}/$b_target ;;
    esac
  done
}

# glibc PREFIX: the newest 2.N that a package asks for; this machine's own where one was compiled here.
glibc() {
  g_own=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc 2\.\([0-9]*\).*/\1/p')
  {
    set -- "$1" "$1"/lib/python3*/site-packages/*.dist-info/WHEEL
    g_prefix=$1
    shift
    [ ! -f "$1" ] || awk -v own="${g_own:-0}" '
      function note(n) { if (least == "" || n + 0 < least) least = n + 0 }
      FNR == 1 { print least; least = "" }
      /^Tag: .*manylinux1_/ { note(5) }
      /^Tag: .*manylinux2010_/ { note(12) }
      /^Tag: .*manylinux2014_/ { note(17) }
      /^Tag: .*manylinux_2_/ { split($0, part, "manylinux_2_"); note(part[2]) }
      /^Tag: .*-linux_/ { note(own) }
      END { print least }' "$@"
    cat "$g_prefix"/conda-meta/*.json 2>/dev/null |
      sed -n 's/.*"__glibc >=2\.\([0-9]*\).*/\1/p'
  } | sort -n | tail -n 1
}

# sizes PREFIX: the bytes of all files, and how many there are with folders and links.
sizes() {
  say bytes "$(find "$1" -type f -exec ls -ln {} + | awk '{ s += $5 } END { printf "%.0f", s }')"
  say entries "$(find "$1" | wc -l | tr -d ' ')"
}

# built_from BUILD
built_from() {
  for f_path in "$1"/conda-names "$1"/pip-names "$1"/imports "$1"/environment-plain.yml \
    "$1"/requirements.txt "$1"/include-*.txt "$1"/variables.json; do
    [ -f "$f_path" ] && [ ! -L "$f_path" ] || continue
    while IFS= read -r f_line || [ -n "$f_line" ]; do
      say file "${f_path##*/}	$f_line"
    done <"$f_path"
  done
  if grep -q '^order_jupyter=1' "$1/order.sh" 2>/dev/null; then say jupyter yes; fi
}

main() {
  prefix=$1
  if [ ! -d "$prefix/conda-meta" ] && [ ! -f "$prefix/pyvenv.cfg" ]; then
    die environment-not-found "$prefix is neither a conda environment nor a virtual environment" \
      "conda env list, or echo \$VIRTUAL_ENV, say where one is"
  fi
  { have tar && have gzip; } || die no-downloader "there is no tar or no gzip to pack with"
  say system "$(uname -s)"
  say machine "$(uname -m)"
  say physical "$(cd "$prefix" && pwd -P)"
  say marker "$(head -n 1 "$prefix/.gpuws-complete" 2>/dev/null || :)"
  base "$prefix"
  if [ -x "$prefix/bin/python" ]; then
    say python "$(limited 30 "$prefix/bin/python" -I -S -c \
      'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || :)"
  fi
  say glibc "$(glibc "$prefix")"
  sizes "$prefix"
  packages "$prefix" | while IFS= read -r line; do say now "$line"; done
  [ -z "$2" ] || built_from "$2"
}

main "$@" </dev/null
