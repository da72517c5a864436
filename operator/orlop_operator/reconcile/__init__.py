"""From what is known to what to do: pure planning, one file a kind or phase; `execute` acts."""
