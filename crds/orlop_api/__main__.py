"""`python -m orlop_api`: write the CRDs and the API reference from the models.

python -m orlop_api crds/generated docs/reference/api.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from orlop_api.definition import DEFINITIONS, crd
from orlop_api.reference import reference

NOTE = "# Generated from the models in crds/orlop_api by `python -m orlop_api`; change those.\n"


def files() -> dict[str, str]:
    """Name and text of every generated manifest."""
    made = {f"{d.plural}.yaml": NOTE + _dump(crd(d)) for d in DEFINITIONS}
    made["kustomization.yaml"] = NOTE + _dump(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": sorted(made),
        }
    )
    return made


class _Dumper(yaml.SafeDumper):
    """Without anchors: a reader of a CRD shall not have to look a list up elsewhere."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the name is PyYAML's
        """Write every value where it stands."""
        return True


def _dump(document: object) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)


def main() -> None:
    """Write what the arguments name; nothing else in the directory is touched."""
    parser = argparse.ArgumentParser(prog="python -m orlop_api", description=__doc__)
    parser.add_argument("directory", type=Path, help="directory of the CRDs")
    parser.add_argument("reference", type=Path, nargs="?", help="file of the API reference (Markdown)")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (arguments.directory / name).write_text(text)
    if arguments.reference:
        arguments.reference.parent.mkdir(parents=True, exist_ok=True)
        arguments.reference.write_text(reference())


if __name__ == "__main__":
    main()
