"""Header checks, one file for each format: what another program may be let near (pure)."""
