# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # what download.sh, take.sh and pip_settings.sh read and set
# bring.sh ROOT MACHINE GLIBC_MINOR INDEX DEFAULT: uv from its wheel, hash checked, unpacked without
# pip, into ROOT/tools/bin. GLIBC_MINOR 0: musl or unknown. INDEX "": what pip on this host is set to,
# else DEFAULT.
# Answers path and version, or "miss" lines only.

# newest_wheel FILE MACHINE GLIBC_MINOR: "HREF SHA256" of the newest uv wheel that runs here.
newest_wheel() {
  tr '\n<' ' \n' <"$1" | awk -v machine="$2" -v glibc="$3" '
    function newer(a, b,   i, x, y) {
      split(a, x, "."); split(b, y, ".")
      for (i = 1; i <= 4; i++) if (x[i] + 0 != y[i] + 0) return x[i] + 0 > y[i] + 0
      return 0
    }
    function fits(tags,   i, n, tag, part) {
      n = split(tags, tag, ".")
      for (i = 1; i <= n; i++) {
        if (substr(tag[i], length(tag[i]) - length(machine)) != "_" machine) continue
        if (tag[i] ~ /^musllinux_1_/) return 1 # static: runs anywhere
        if (tag[i] ~ /^manylinux_2_/) { split(tag[i], part, "_"); if (part[3] + 0 <= glibc + 0) return 2 }
      }
      return 0
    }
    /^a[ \t]/ && !/data-yanked/ {
      if (!match($0, /href *= *("[^"]*"|\047[^\047]*\047)/)) next
      href = substr($0, RSTART, RLENGTH); sub(/^href *= */, "", href)
      href = substr(href, 2, length(href) - 2); gsub(/&amp;/, "\\&", href)
      at = index(href, "#sha256="); if (!at) next
      sum = substr(href, at + 8, 64); href = substr(href, 1, at - 1)
      if (sum !~ /^[0-9a-f]+$/ || length(sum) != 64) next
      file = href; sub(/^.*\//, "", file)
      if (file !~ /^uv-[0-9][0-9.]*-py3-none-.*\.whl$/) next
      split(file, word, "-"); tags = word[5]; sub(/\.whl$/, "", tags)
      rank = fits(tags); if (!rank) next
      if (best == "" || newer(word[2], top) || (word[2] == top && rank > level)) {
        best = href " " sum; top = word[2]; level = rank
      }
    }
    END { if (best != "") print best }'
}

# absolute BASE HREF: the address that a link on the page at BASE (a folder) means.
absolute() {
  a_base=${1%/} a_rest=$2
  case $a_rest in
  *://*)
    printf '%s\n' "$a_rest"
    return 0
    ;;
  /*)
    case $a_base in
    file://*) printf 'file://%s\n' "$a_rest" ;;
    *) printf '%s%s\n' "$(printf %s "$a_base" | sed 's,^\([a-z]*://[^/]*\).*,\1,')" "$a_rest" ;;
    esac
    return 0
    ;;
  esac
  while :; do
    case $a_rest in
    ../*) a_rest=${a_rest#../} a_base=${a_base%/*} ;;
    ./*) a_rest=${a_rest#./} ;;
    *) break ;;
    esac
  done
  printf '%s/%s\n' "$a_base" "$a_rest"
}

can_unpack() { have python3 || have unzip || have busybox; }

unpack() {
  if have python3 && python3 -m zipfile -e "$1" "$scratch/out" 2>/dev/null; then
    :
  elif have unzip && unzip -qo "$1" -d "$scratch/out" 2>/dev/null; then
    :
  else
    busybox unzip -qo "$1" -d "$scratch/out" 2>/dev/null || return 1
  fi
  binary=''
  for u_path in "$scratch"/out/uv-*.data/scripts/uv; do
    [ ! -f "$u_path" ] || binary=$u_path
  done
  [ -n "$binary" ]
}

# find_archive INDEX: its newest wheel.
find_archive() {
  f_home=${1%/}/uv
  f_shown=$(printf %s "$f_home" | sed 's,://[^/@]*@,://,')
  f_page=$f_home/
  case $f_home in file://* | /*) f_page=$f_home/index.html ;; esac
  if ! download "$f_page" "$scratch/page"; then
    say miss "$f_shown: $download_reason"
    return 1
  fi
  f_found=$(newest_wheel "$scratch/page" "$machine" "$glibc_minor")
  if [ -z "$f_found" ]; then
    say miss "$f_shown: no uv wheel with a sha256 for $machine is listed"
    return 1
  fi
  found_url=$(absolute "$f_home" "${f_found% *}")
  found_name="${found_url##*/} of $f_shown" found_sha256=${f_found##* }
}

main() {
  root=$1 machine=$2 glibc_minor=$3 index=$4 default=$5
  if [ -z "$index" ]; then
    pip_setting index-url
    index=${pip_value:-$default}
  fi
  pip_setting extra-index-url
  # shellcheck disable=SC2086 # addresses, which have no spaces
  take_first uv 'no python3, unzip or busybox to unpack a wheel' $index $pip_value
}

main "$@" </dev/null
