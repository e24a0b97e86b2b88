"""What `gpuws doctor` finds: a table of checks, each a small judgement over what was gathered."""
