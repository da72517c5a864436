"""Tables that a run shows at its end, also where everything passed and nobody asked for its output."""

from collections.abc import Callable, Iterator, Sequence

import pytest

Row = Sequence[object]
Show = Callable[[str, Row, Sequence[Row]], None]
_shown = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def show_table(pytestconfig: pytest.Config) -> Show:
    """Called with a title, the names of the columns and the rows; numbers stand to the right."""

    def show(title: str, names: Row, rows: Sequence[Row]) -> None:
        pytestconfig.stash.setdefault(_shown, []).append("\n".join(_lines(title, names, rows)))

    return show


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for table in config.stash.get(_shown, []):
        title, _, lines = table.partition("\n")
        terminalreporter.section(title)
        terminalreporter.write_line(lines)


def _lines(title: str, names: Row, rows: Sequence[Row]) -> Iterator[str]:
    yield title
    numbers = [all(_is_number(row[column]) for row in rows) for column in range(len(names))]
    text = [[_text(cell) for cell in row] for row in (names, *rows)]
    widths = [max(len(row[column]) for row in text) for column in range(len(names))]
    for row in text:
        cells = zip(row, widths, numbers, strict=True)
        yield "  ".join(
            cell.rjust(width) if number else cell.ljust(width) for cell, width, number in cells
        ).rstrip()


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float)


def _text(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
