# shellcheck shell=sh
# shellcheck disable=SC2034 # pip_where is read by create.sh
# What pip on this host is told by its files and variables. uv reads none of it.

pip_files() {
  printf '%s\n' /etc/xdg/pip/pip.conf /etc/pip.conf "$HOME/.pip/pip.conf" \
    "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" "${PIP_CONFIG_FILE:-}"
}

# pip_file_setting FILE KEY: the last value of KEY in [global] or [install], on one line.
pip_file_setting() {
  [ -f "$1" ] && [ -r "$1" ] || return 0
  awk -v key="$2" '
    function trimmed(text) { gsub(/^[ \t]+|[ \t\r]+$/, "", text); return text }
    /^[ \t]*[#;]/ { next }
    /^\[/ { section = tolower(trimmed($0)); inside = 0; next }
    section != "[global]" && section != "[install]" { next }
    /^[ \t]/ { if (inside) found[section] = found[section] " " trimmed($0); next }
    {
      at = match($0, /[=:]/)
      if (!at) { inside = 0; next }
      name = tolower(trimmed(substr($0, 1, at - 1)))
      gsub(/_/, "-", name)
      inside = (name == key)
      if (inside) found[section] = trimmed(substr($0, at + 1))
    }
    END {
      if ("[install]" in found) print trimmed(found["[install]"])
      else if ("[global]" in found) print trimmed(found["[global]"])
    }' "$1"
}

# pip_setting KEY: sets pip_value and pip_where; a variable wins over files, a later file over an
# earlier one, as in pip.
pip_setting() {
  pip_value='' pip_where=''
  p_variable=PIP_$(printf %s "$1" | tr 'a-z-' 'A-Z_')
  eval "pip_value=\${$p_variable:-}"
  if [ -n "$pip_value" ]; then
    pip_where=$p_variable
    return 0
  fi
  [ "${PIP_CONFIG_FILE:-}" != /dev/null ] || return 0
  while IFS= read -r p_file; do
    [ -n "$p_file" ] || continue
    p_found=$(pip_file_setting "$p_file" "$1")
    [ -z "$p_found" ] || { pip_value=$p_found && pip_where=$p_file; }
  done <<END
$(pip_files)
END
}
