# shellcheck shell=sh

# packages PREFIX: what is installed, a line each: "conda NAME-VERSION-BUILD", and for each Python
# distribution "python NAME-VERSION INSTALLER [editable]". Nothing of the environment is run, and no
# process is started for each of them: there may be hundreds.
packages() {
  {
    for p_path in "$1"/conda-meta/*.json; do
      [ -f "$p_path" ] || continue
      p_name=${p_path##*/}
      printf 'conda %s\n' "${p_name%.json}"
    done
    for p_path in "$1"/lib/python3*/site-packages/*.dist-info; do
      [ -d "$p_path" ] || continue
      p_name=${p_path##*/} p_by='' p_how=''
      ! [ -f "$p_path/INSTALLER" ] || IFS= read -r p_by 2>/dev/null <"$p_path/INSTALLER" || :
      [ ! -f "$p_path/direct_url.json" ] || packages_editable "$p_path/direct_url.json"
      printf 'python %s %s%s\n' "${p_name%.dist-info}" "${p_by:-?}" "$p_how"
    done
  } | LC_ALL=C sort -u
}

packages_editable() {
  p_text=''
  IFS= read -r p_text 2>/dev/null <"$1" || :
  case $p_text in *'"editable": true'* | *'"editable":true'*) p_how=' editable' ;; esac
}
