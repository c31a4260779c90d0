"""What every test relies on: async tests run under Trio, and a deadline turns a hang into a failure."""

import inspect
from typing import Any

import pytest
import trio
import trio.testing

DEADLINE_S = 60


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


@pytest.fixture
def mock_clock() -> trio.testing.MockClock:
    """Return a clock that jumps ahead when every task waits: minutes pass in no time."""
    return trio.testing.MockClock(autojump_threshold=0)
