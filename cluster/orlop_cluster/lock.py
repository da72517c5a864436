"""Pins what the project takes of others, with hashes: `requirements.lock` for a checkout, `images/*.lock` for images.

All have the same versions; an image's names that image's packages alone.
"""

import sys

from orlop_cluster.places import CHECKOUT
from orlop_cluster.process import run

_WHOLE = "requirements.lock"
_OPTIONS = ("--quiet", "--universal", "--generate-hashes", "--no-emit-index-url", "--no-header")
_PROJECT = "pyproject.toml"
WANTED = {
    _WHOLE: (_PROJECT, "--all-extras", "--group=dev"),
    "images/build.lock": ("--group=build",),
    "images/operator.lock": (_PROJECT, "--extra=operator", f"--constraint={_WHOLE}"),
    "images/agent.lock": (_PROJECT, "--extra=agent", f"--constraint={_WHOLE}"),
}


def main() -> None:
    for target, which in WANTED.items():
        # From its directory: uv notes the project's file as it was named.
        run(
            [sys.executable, "-m", "uv", "pip", "compile", *_OPTIONS, *which, "--output-file", target],
            cwd=CHECKOUT,
        )


if __name__ == "__main__":
    main()
