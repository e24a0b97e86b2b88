"""tmux on a socket of its own: the user's sessions and settings are never touched."""
