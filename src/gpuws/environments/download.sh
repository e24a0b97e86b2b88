# shellcheck shell=sh
# shellcheck disable=SC2154 # root is set by the script after it; sha256.sh goes before
# Getting a file onto the host with what it has. A URL may hold a password: it never becomes an
# argument of another program.

# download URL FILE: status 1 where it cannot be had; the reason is in download_reason.
download() {
  download_reason=''
  case $1 in
  file://* | /*)
    d_path=${1#file://}
    d_path=$(printf %s "$d_path" | sed 's/%20/ /g')
    if [ -r "$d_path" ] && cp "$d_path" "$2" 2>/dev/null; then return 0; fi
    download_reason='no such file on the host'
    ;;
  http://* | https://*) download_http "$1" "$2" ;;
  *) download_reason='not an http, https or file address' ;;
  esac
  [ -z "$download_reason" ]
}

download_http() {
  if have curl; then
    printf 'url = "%s"\n' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')" |
      curl -fsSL --connect-timeout 15 --max-time 280 --speed-limit 1 --speed-time 30 \
        -K - -o "$2" 2>"$2.err" && return 0
  elif have python3; then
    printf %s "$1" | python3 -c '
import sys, shutil, urllib.request
with urllib.request.urlopen(sys.stdin.read(), timeout=30) as page, open(sys.argv[1], "wb") as out:
    shutil.copyfileobj(page, out)' "$2" 2>"$2.err" && return 0
  elif have wget; then
    case $1 in
    *@*)
      download_reason='wget would show the password of the address; curl or python3 is needed'
      return 0
      ;;
    esac
    limited 280 wget -q -T 30 -O "$2" "$1" 2>"$2.err" && return 0
  else
    download_reason='the host has no curl, wget or python3'
    return 0
  fi
  download_reason=$(tail -n 1 "$2.err" 2>/dev/null | cut -c 1-200)
  download_reason=${download_reason:-no answer}
}

# check_sha256 FILE EXPECTED WHAT: refuses what is not what the index promised.
check_sha256() {
  h_found=$(sha256_of "$1")
  if [ -z "$h_found" ]; then
    say miss "$3: the host cannot compute sha256"
    return 1
  fi
  [ "$h_found" = "$2" ] || die wrong-hash "$3 is not what its index promises: sha256 $h_found" \
    "the mirror is stale or something on the way changed the file; nothing of it was used"
}

# make_scratch: sets scratch; those of runs that were cut off are taken away.
make_scratch() {
  find "$root" -maxdepth 1 -name '.bring.*' -mmin +60 -exec rm -rf {} + 2>/dev/null || :
  scratch=$root/.bring.$$
  mkdir "$scratch" || die no-root-folder "cannot write in $root" "df -h on the host says why"
}

# place FILE NAME: into tools/bin in one step.
place() {
  mkdir -p "$root/tools/bin" || die no-root-folder "cannot make $root/tools/bin"
  mark_root
  p_new=$root/tools/bin/.$2.$$
  if ! { cp "$1" "$p_new" && chmod 755 "$p_new" && mv -f "$p_new" "$root/tools/bin/$2"; }; then
    rm -f "$p_new"
    die disk-full "cannot write $root/tools/bin/$2" "df -h on the host says why"
  fi
}

# try_tool NAME: does what was placed run here?
try_tool() {
  t_version=$(limited 60 "$root/tools/bin/$1" --version 2>/dev/null </dev/null | head -n 1) || :
  if [ -z "$t_version" ]; then
    rm -f "$root/tools/bin/$1"
    die unsupported-platform "$1 was brought to the host and does not run there" \
      "$(uname -s -m); its noexec mounts and old kernels are the usual reasons"
  fi
  say version "$t_version"
  say path "$root/tools/bin/$1"
}
