"""ssh_config as OpenSSH's client reads it, without its program; what it does not know it refuses.

``expander.expand`` answers what ``ssh -G`` would print, each value with the line it came from.
``names`` has the aliases alone, for completion.
"""
