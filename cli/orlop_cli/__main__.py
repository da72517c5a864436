"""The programs `orlop` and `kubectl-orlop`, which kubectl finds as `kubectl orlop`."""

from __future__ import annotations

import sys

from orlop_cli.app import app
from orlop_cli.errors import CommandError


def main() -> None:
    """An error is one sentence and a number."""
    try:
        app()
    except CommandError as error:
        sys.stderr.write(f"orlop: {error}\n")
        sys.exit(error.code)


if __name__ == "__main__":
    main()
