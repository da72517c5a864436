"""Small guests for demo and tests, built from Debian packages with nothing but Python's standard library.

Only the programs that `packages` names are needed besides: this runs on a machine that has no environment of
the project yet.
"""
