"""The fallback where there is no tmux: a detached process and a note of its number."""
