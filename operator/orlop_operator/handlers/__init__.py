"""kopf handlers: parse, call, apply; nothing else."""
