"""Remote GPU workspaces over SSH."""

__version__ = "0.1.0"
