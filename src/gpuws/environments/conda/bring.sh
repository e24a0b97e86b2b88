# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # what download.sh and take.sh read and set
# shellcheck disable=SC2020 # tr maps each brace to a newline
# bring.sh ROOT SUBDIR CHANNEL...: micromamba from the first channel that can be reached from the
# host, its hash checked, into ROOT/tools/bin. Answers path and version, or "miss" lines only.

# newest FILE: "NAME SHA256 VERSION" of the newest micromamba .tar.bz2 that an index lists.
newest() {
  tr '{},' '\n\n\n' <"$1" | awk '
    function newer(a, b,   i, x, y) {
      split(a, x, "."); split(b, y, ".")
      for (i = 1; i <= 5; i++) if (x[i] + 0 != y[i] + 0) return x[i] + 0 > y[i] + 0
      return 0
    }
    function finish() {
      if (file != "" && sum != "" && (best == "" || newer(version, top))) {
        best = file " " sum " " version; top = version
      }
      file = ""
    }
    /^[ \t]*"[^"]*(\.tar\.bz2|\.conda)"[ \t]*:/ {
      finish()
      split($0, quoted, "\"")
      if (quoted[2] ~ /^micromamba-[0-9][0-9.]*-[0-9A-Za-z_]*\.tar\.bz2$/) {
        file = quoted[2]; sum = ""
        split(file, part, "-"); version = part[2]
        build = part[3]; sub(/\.tar\.bz2$/, "", build); sub(/^.*[^0-9]/, "", build)
        version = padded(version) "." build
      }
      next
    }
    file != "" && /"sha256"[ \t]*:/ {
      split($0, quoted, "\"")
      if (quoted[4] ~ /^[0-9a-f]*$/ && length(quoted[4]) == 64) sum = quoted[4]
    }
    function padded(text,   n, numbers) {
      n = split(text, numbers, ".")
      while (n++ < 4) text = text ".0"
      return text
    }
    END { finish(); if (best != "") print best }'
}

can_unpack() {
  { have tar && have bzip2; } || python3 -c 'import bz2, tarfile' 2>/dev/null
}

unpack() {
  binary=$scratch/out/bin/micromamba
  if have tar && have bzip2; then
    tar -xjf "$1" -C "$scratch/out" 2>/dev/null
  else
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extract("bin/micromamba", sys.argv[2])' \
      "$1" "$scratch/out" 2>/dev/null
  fi && [ -f "$binary" ]
}

# find_archive CHANNEL: its newest package.
find_archive() {
  f_home=$(channel_url "$1")/$subdir
  f_shown=$(printf %s "$f_home" | sed 's,://[^/@]*@,://,; s,/t/[^/]*/,/,')
  f_found=''
  for f_index in current_repodata.json repodata.json; do
    download "$f_home/$f_index" "$scratch/index" || continue
    f_found=$(newest "$scratch/index")
    [ -z "$f_found" ] || break
  done
  if [ -z "$f_found" ]; then
    say miss "$f_shown: ${download_reason:-no micromamba package is listed}"
    return 1
  fi
  found_url=$f_home/${f_found%% *}
  found_name=$f_shown/${f_found%% *}
  found_sha256=${f_found#* }
  found_sha256=${found_sha256%% *}
}

main() {
  root=$1 subdir=$2
  shift 2
  read_alias
  say alias "$alias_url"
  take_first micromamba 'neither tar with bzip2 nor a python3 that can unpack it' "$@"
}

main "$@" </dev/null
