"""What every test relies on: async tests run under Trio, and a deadline turns a hang into a failure."""

import inspect
from pathlib import Path
from typing import Any, Final

import pytest
import trio
import trio.testing

DEADLINE_S = 60

TESTS: Final = Path(__file__).parent
TOGETHER: Final = frozenset({"browser", "storage", "live"})
"""Folders whose files share what is slow to start: a demo and a browser, two ClickHouse servers."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests in Trio; one that asks for the fixture `mock_clock` gets that clock as its time."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    clock: Any = arguments.get("mock_clock")

    async def run() -> None:
        if clock is None:
            with trio.fail_after(DEADLINE_S):
                await pyfuncitem.obj(**arguments)
        else:
            await pyfuncitem.obj(**arguments)

    trio.run(run, clock=clock)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what one worker runs (`-n 2 --dist loadgroup`): a file, or the folder where files share a server."""
    for item in items:
        folder, *rest = item.path.relative_to(TESTS).parts
        item.add_marker(pytest.mark.xdist_group(folder if folder in TOGETHER else "/".join((folder, *rest))))


@pytest.fixture
def mock_clock() -> trio.testing.MockClock:
    """Return a clock that jumps ahead when every task waits: minutes pass in no time."""
    return trio.testing.MockClock(autojump_threshold=0)
