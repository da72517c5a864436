"""Which kernel modules a guest gets, and in which order they load."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wanted:
    """A guest's modules: those it loads while booting, and those it loads when something asks."""

    boot: tuple[str, ...]
    later: tuple[str, ...]


def wanted(text: str) -> Wanted:
    """Parses lines of `boot NAME` and `later NAME`; `#` starts a comment. Raises ValueError."""
    lists: dict[str, list[str]] = {"boot": [], "later": []}
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        match words:
            case [("boot" | "later") as when, name]:
                lists[when].append(name)
            case _:
                raise ValueError(f"not `boot NAME` or `later NAME`: {line}")
    return Wanted(tuple(lists["boot"]), tuple(lists["later"]))


def depends(module: bytes) -> tuple[str, ...]:
    """The modules a .ko needs, as modpost wrote them into its .modinfo section: `depends=a,b`."""
    _, found, rest = module.partition(b"\0depends=")
    if not found:
        return ()
    return tuple(name.replace("-", "_") for name in rest.split(b"\0")[0].decode().split(",") if name)


def closure(names: Iterable[str], dependencies: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The modules and all they need, each after what it needs; raises KeyError for one that is not there."""
    order: dict[str, None] = {}

    def add(name: str) -> None:
        if name in order:
            return
        for needed in dependencies[name]:
            add(needed)
        order[name] = None

    for name in names:
        add(name)
    return tuple(order)


def modules_dep(paths: Mapping[str, str], dependencies: Mapping[str, tuple[str, ...]]) -> str:
    """The text of modules.dep (modules.dep(5)) for these modules: a line each, the nearest need first."""
    lines = []
    for name, path in paths.items():
        needs = [paths[needed] for needed in reversed(closure([name], dependencies)[:-1])]
        lines.append(f"{path}: {' '.join(needs)}".rstrip() + "\n")
    return "".join(lines)


def on_disk(tree: Path) -> dict[str, Path]:
    """Every module below lib/modules/VERSION, by the name the kernel gives it."""
    return {path.stem.replace("-", "_"): path for path in sorted(tree.rglob("*.ko"))}
