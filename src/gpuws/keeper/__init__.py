"""The process that owns a connection, and how the verbs reach it."""
