"""Tables that a run shows at its end, also where everything passed and nobody asked for its output."""

from collections.abc import Callable, Iterator, Sequence

import pytest

Row = Sequence[object]
Show = Callable[[str, Row, Sequence[Row]], None]
_TABLE = "table"


@pytest.fixture
def show_table(request: pytest.FixtureRequest) -> Show:
    """Called with a title, the names of the columns and the rows; numbers stand to the right."""

    def show(title: str, names: Row, rows: Sequence[Row]) -> None:
        # A property of the test comes with its report, also where another process runs it.
        request.node.user_properties.append((_TABLE, "\n".join(_lines(title, names, rows))))

    return show


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    for report in reports:
        if report.when != "call":
            continue
        for name, value in report.user_properties:
            if name == _TABLE:
                title, _, lines = str(value).partition("\n")
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
