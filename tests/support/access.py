"""Who may do what with which object: the table that docs/reference/access.md shows and a test asks of the API server.

`ORLOP_GOLDEN=write pytest tests/component/api/test_access.py` writes the page.
A cell is the set of verbs that are allowed. `use` and `status` (to change the status) stand beside the API's own verbs.
"""

from __future__ import annotations

from collections.abc import Mapping

Verbs = frozenset[str]

NONE: Verbs = frozenset()
READ: Verbs = frozenset({"get", "list", "watch"})
WRITE: Verbs = frozenset({"create", "update", "patch", "delete", "deletecollection"})
USE: Verbs = frozenset({"use"})
STATUS: Verbs = frozenset({"status"})
ALL = READ | WRITE | USE

USERS: dict[str, str] = {
    "anonymous": "nobody is logged in",
    "logged in": "a user without a role",
    "viewer": "`orlop-viewer` in the project",
    "editor": "`orlop-editor` in the project",
    "admin": "`orlop-admin` in the project",
    "other tenant": "`orlop-admin` in the other project",
    "node": "the account of a node, `orlop-nodes/NODE`, with a token as its agent has it",
    "other node": "the same of another node",
    "DaemonSet": "the account of the agents' pods, `orlop-system/orlop-agent`",
    "operator": "`orlop-system/orlop-operator`",
}

Row = Mapping[str, Verbs]
"""What each user may do with one object; who is not in it, nothing."""

_OF_NODES = ("FloatingIP", "Network", "Port", "Router", "SecurityGroup")
"""Kinds of projects that every node reads: names and addresses."""
_OF_OPERATOR: dict[str, Verbs] = {
    "FloatingIP": frozenset({"patch"}) | STATUS,
    "Image": STATUS,
    "Instance": frozenset({"patch"}) | STATUS,
    "InstanceGroup": frozenset({"patch"}) | STATUS,
    "KeyPair": STATUS,
    "Network": frozenset({"patch"}) | STATUS,
    "Port": frozenset({"create", "delete", "patch"}) | STATUS,
    "Quota": STATUS,
    "Router": frozenset({"patch"}) | STATUS,
    "SecurityGroup": frozenset({"patch"}) | STATUS,
    "Volume": frozenset({"patch"}) | STATUS,
    "VolumeSnapshot": frozenset({"patch"}) | STATUS,
}
"""What the operator may do beside reading; no spec is its to write (a patch adds finalizers)."""


def _platform(kind: str) -> Row:
    nodes = READ if kind in _OF_NODES else NONE
    return {"node": nodes, "other node": nodes, "operator": READ | _OF_OPERATOR[kind]}


def _own(kind: str) -> Row:
    verbs = READ if kind == "Quota" else ALL
    return {"viewer": READ, "editor": verbs, "admin": verbs} | dict(_platform(kind))


def _other(kind: str) -> Row:
    return {"other tenant": READ if kind == "Quota" else ALL} | dict(_platform(kind))


_EVERYBODY = {user: READ | USE for user in USERS if user != "anonymous"}
_ASKED = frozenset({"get", "create", "patch", "update"})

_PLATFORM: dict[str, Row] = {
    "Flavor": _EVERYBODY,
    "VolumeClass": _EVERYBODY,
    "Aggregate": {"operator": READ | STATUS},
    "Hypervisor, the node's": {
        "node": READ | STATUS,
        "other node": READ,
        "operator": READ | STATUS | {"create", "delete", "patch"},
    },
    "Assignment, nowhere yet": {
        "node": READ,
        "other node": READ,
        "operator": READ | {"create", "delete", "patch"},
    },
    "Assignment, on the node": {
        "node": READ | STATUS,
        "other node": READ,
        "operator": READ | {"patch"},
    },
    "Claim": {"operator": READ | {"create", "delete", "patch"}},
    "Lease, the node's": {"node": _ASKED, "other node": frozenset({"get"}), "operator": READ | {"delete"}},
    "Secret for the node": {
        "node": frozenset({"get"}),
        "operator": frozenset({"get", "list", "create", "patch", "delete", "deletecollection"}),
    },
    "Secret of the project": {"operator": frozenset({"get"})},
    "Secret of the platform": {"operator": frozenset({"get", "create"})},
    "token of the node's account": {"DaemonSet": frozenset({"create"})},
    "token of another node's account": {},
    "RoleBinding of the project": {"admin": READ | WRITE, "operator": frozenset({"get"})},
    "Pod of the project": {},
    "Node": {"operator": READ},
}
"""Objects that are no project's, or that Kubernetes brings."""

PROJECT, OTHER_PROJECT = "Objects of the project", "Objects of another project"
PLATFORM = "The platform's, and Kubernetes' own"
TABLES: dict[str, dict[str, Row]] = {
    PROJECT: {kind: _own(kind) for kind in _OF_OPERATOR},
    OTHER_PROJECT: {kind: _other(kind) for kind in _OF_OPERATOR},
    PLATFORM: _PLATFORM,
}

_WORDS = (("read", READ), ("write", WRITE), ("use", USE), ("status", STATUS))
_HEAD = """# Who may do what

Generated from `tests/support/access.py`; `tests/component/api/test_access.py` asks every cell, verb by verb, of a
real API server as that user.

*read* is get, list and watch; *write* is create, update, patch, delete and deletecollection; *use* is to name the
object in another one; *status* is to change its status. Single verbs stand where it is not the whole.
"""


def _cell(verbs: Verbs) -> str:
    said = []
    for word, meant in _WORDS:
        if meant <= verbs:
            said.append(word)
            verbs -= meant
    return ", ".join(said + sorted(verbs)) or "–"


def document() -> str:
    """The page docs/reference/access.md."""
    lines = [_HEAD, "| user | |", "|---|---|", *(f"| {user} | {what} |" for user, what in USERS.items())]
    for title, rows in TABLES.items():
        lines += ["", f"## {title}", "", "| | " + " | ".join(USERS) + " |", "|---" * (len(USERS) + 1) + "|"]
        for what, row in rows.items():
            cells = (_cell(row.get(user, NONE)) for user in USERS)
            lines.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
