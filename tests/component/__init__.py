"""Packages: so what fixtures of scope "package" hold (API servers, operators) ends with the directory's last test."""
