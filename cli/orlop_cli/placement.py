"""What `orlop explain` and `orlop capacity` print. Pure: the operator's answer in, something that rich prints out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from orlop_api.quantity import rounded
from orlop_cli.drawing import WORRY, aligned

if TYPE_CHECKING:
    from orlop_operator.explaining import Explanation
    from orlop_operator.scheduling import Request, Room, Row


def draw_explanation(found: Explanation) -> Group:
    """What is wanted, and the table: first hypervisors that would do, then all others with what is against them."""
    tree = Tree(_title(found), highlight=False)
    for condition, sentence in found.told.items():
        tree.add(Text.assemble((condition, "bold"), "  ", (sentence, WORRY)))
    for condition, sentence in found.open.items():
        if found.told.get(condition) != sentence:
            tree.add(Text.assemble((condition, "bold"), "  ", (sentence, WORRY)))
    tree.add(Text(f"needs {_needs(found.request)}"))
    names = aligned([(f"node {row.node}",) for row in found.rows]) if found.rows else []
    for name, row in zip(names, found.rows, strict=True):
        _row(tree, name, row, _mark(found, row))
    if not found.rows:
        tree.add(Text(_sentence(found), WORRY))
    return Group(tree)


def explanation_json(found: Explanation) -> dict[str, Any]:
    """The same for programs."""
    return {
        "namespace": found.instance.metadata.namespace,
        "name": found.instance.metadata.name,
        "node": found.node,
        "wouldChoose": _chosen(found),
        "message": _sentence(found),
        "conditions": {**found.open, **found.told},
        "needs": {
            "vcpus": found.request.vcpus,
            "memoryBytes": found.request.memory,
            "diskBytes": found.request.disk,
        },
        "hypervisors": [
            {
                "name": row.node,
                "rejectedBy": [{"filter": v.filter, "message": v.text} for v in row.rejections],
                "scores": dict(row.scores),
                "total": None if row.rejections else row.total,
            }
            for row in found.rows
        ],
    }


def draw_rooms(flavor: str, found: Sequence[Room]) -> Group:
    """The total, and each node with what is in the way of one more."""
    total = sum(each.count for each in found)
    there = sum(1 for each in found if each.count)
    title = Text.assemble(
        "Flavor ", (flavor, "bold"), f"  {total} more fit, on {there} of {_hypervisors(len(found))}"
    )
    tree = Tree(title, highlight=False)
    rows = aligned([(f"node {each.node}", str(each.count)) for each in found]) if found else []
    for row, each in zip(rows, found, strict=True):
        reasons = "; ".join(verdict.text for verdict in each.limits)
        tree.add(Text.assemble(row, "  ", (reasons, "" if each.count else WORRY)))
    return Group(tree)


def rooms_json(found: Sequence[Room]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "total": sum(each.count for each in found),
        "hypervisors": [
            {
                "name": each.node,
                "count": each.count,
                "limitedBy": [{"filter": v.filter, "message": v.text} for v in each.limits],
            }
            for each in found
        ],
    }


def _title(found: Explanation) -> Text:
    meta = found.instance.metadata
    where = f"on {found.node}" if found.node is not None else "not placed"
    return Text.assemble(
        "Instance ", (f"{meta.namespace}/{meta.name}", "bold"), f"  {where}; {_sentence(found)}"
    )


def _sentence(found: Explanation) -> str:
    """What the scheduler would answer now."""
    chosen, passing = _chosen(found), sum(1 for row in found.rows if not row.rejections)
    if chosen is None:
        return str(getattr(found.answer, "message", ""))
    fit = f"{passing} of {_hypervisors(len(found.rows))} would do"
    if found.node is not None and any(row.node == found.node and not row.rejections for row in found.rows):
        return f"it still fits there, and {fit}"
    return f"{fit}, {chosen} best"


def _chosen(found: Explanation) -> str | None:
    return getattr(found.answer, "node", None)


def _needs(request: Request) -> str:
    cpus = f"{request.vcpus} vCPU{'s' if request.vcpus > 1 else ''}"
    return f"{cpus}, {rounded(request.memory)} of memory, {rounded(request.disk)} of disk"


def _hypervisors(count: int) -> str:
    return f"{count} hypervisor{'' if count == 1 else 's'}"


def _mark(found: Explanation, row: Row) -> str:
    marks = ["is here"] if row.node == found.node else []
    return ", ".join([*marks, *(["would be chosen"] if row.node == _chosen(found) else [])])


def _row(tree: Tree, name: str, row: Row, mark: str) -> None:
    if not row.rejections:
        scores = ", ".join(f"{weight} {score:+.3f}" for weight, score in row.scores.items())
        text = Text.assemble(name, f"  {row.total:+.3f}  = {scores}")
        tree.add(text.append(f"  {mark}", "green") if mark else text)
        return
    count = f"{len(row.rejections)} against it"
    branch = tree.add(Text.assemble(name, "  ", (count, WORRY), f"  {mark}" if mark else ""))
    verdicts = aligned([(v.filter, v.text) for v in row.rejections])
    for verdict in verdicts:
        branch.add(Text(verdict.rstrip()))
