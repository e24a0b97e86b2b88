# shellcheck shell=sh
# shellcheck disable=SC2154 # root is set by the script after it; sha256.sh goes before
# Getting a file onto the host with what it has. A URL may hold a password: it never becomes an
# argument of another program.

# download URL FILE: status 1 where it cannot be had; the reason is in download_reason.
download() {
  download_reason=''
  stream "$1" 280 >"$2" 2>"$2.err" && return 0
  download_reason=$(tail -n 1 "$2.err" 2>/dev/null | cut -c 1-200)
  download_reason=${download_reason:-no answer}
  return 1
}

# stream URL SECONDS: what lies there on stdout; why it cannot be had on stderr.
stream() {
  case $1 in
  file://* | /*)
    cat "$(printf %s "${1#file://}" | sed 's/%20/ /g')" 2>/dev/null ||
      refuse 'no such file on the host'
    ;;
  http://* | https://*) stream_http "$1" "$2" ;;
  *) refuse 'not an http, https or file address' ;;
  esac
}

refuse() {
  printf '%s\n' "$1" >&2
  return 1
}

stream_http() {
  if have curl; then
    printf 'url = "%s"\n' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')" |
      curl -fsSL --connect-timeout 15 --max-time "$2" --speed-limit 1 --speed-time 30 -K -
  elif have python3; then
    printf %s "$1" | limited "$2" python3 -B -c "$STREAM" "$2"
  elif have wget; then
    w_forget='' # GNU's keeps a file in HOME about who wants https; busybox's knows no such option
    case $(wget --help 2>&1) in *--no-hsts*) w_forget=--no-hsts ;; esac
    case $1 in
    *@* | */t/*) refuse 'wget would show the password of the address; curl or python3 is needed' ;;
    *) limited "$2" wget -q ${w_forget:+"$w_forget"} -T 30 -O - "$1" ;;
    esac
  else
    refuse 'the host has no curl, wget or python3'
  fi
}

# urllib takes a login in an address for a part of the host's name
STREAM='
import base64, shutil, sys, urllib.parse, urllib.request
parts = urllib.parse.urlsplit(sys.stdin.read())
login, _, place = parts.netloc.rpartition("@")
asked = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=place)))
if login:
    word = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
    asked.add_unredirected_header("Authorization", "Basic " + word)
with urllib.request.urlopen(asked, timeout=min(30, int(sys.argv[1]))) as page:
    shutil.copyfileobj(page, sys.stdout.buffer)'

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
