"""Fixtures of the component tests; imported once here, so that a session has one of each."""

from support.apiserver import apiserver

__all__ = ["apiserver"]
