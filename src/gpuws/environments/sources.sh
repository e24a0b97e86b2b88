# shellcheck shell=sh
# Where the packages of an environment came from, by their own records. Nothing of it is run.

# conda_sources PREFIX: source<TAB>NAME-VERSION-BUILD url|sha256|md5 VALUE. Records are JSON, a key a
# line; only the outermost ones are meant, since every file of a package has a hash of its own.
conda_sources() {
  grep -E '^ {2,4}"(url|sha256|md5)": *"[^"]+",?$' /dev/null "$1"/conda-meta/*.json 2>/dev/null |
    sed 's,^.*/\([^/]*\)\.json: *"\([a-z0-9]*\)": *"\([^"]*\)".*$,\1 \2 \3,' |
    while IFS= read -r s_line; do say source "$s_line"; done
}

# direct_sources PREFIX: direct<TAB>NAME-VERSION JSON, for what pip had from an address or a folder.
direct_sources() {
  for d_path in "$1"/lib/python3*/site-packages/*.dist-info/direct_url.json; do
    [ -f "$d_path" ] || continue
    d_name=${d_path%.dist-info/*}
    say direct "${d_name##*/} $(head -n 50 "$d_path" | cut -c 1-2000)"
  done
}
