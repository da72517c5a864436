"""Says of the test itself that it left a program running.

Otherwise Python warns once it collects what is left, and whichever test runs by then fails.
"""

from asyncio import base_subprocess
from weakref import WeakSet

_started: WeakSet[base_subprocess.BaseSubprocessTransport] = WeakSet()
_begin = base_subprocess.BaseSubprocessTransport.__init__


def _noting(self, *arguments, **options):
    _started.add(self)
    _begin(self, *arguments, **options)


def watch() -> None:
    """From now on."""
    base_subprocess.BaseSubprocessTransport.__init__ = _noting


def left() -> list[str]:
    """The programs of asyncio that nobody saw to their end; each is named once."""
    found = [repr(each) for each in _started if not each.is_closing()]
    _started.clear()
    return found
