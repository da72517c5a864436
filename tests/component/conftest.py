"""Fixtures of the component tests; imported once here, so that all of them share one of each."""

from support.apiserver import apiserver

__all__ = ["apiserver"]
