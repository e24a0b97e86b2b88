"""Streams through a program on the host, where its server forbids forwarding."""
