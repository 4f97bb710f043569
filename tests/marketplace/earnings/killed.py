"""Run one job of earnings again and again, each time in a child that dies by SIGKILL some lines later than the last.

`python -m tests.marketplace.earnings.killed URL VERB EVERY` prints how often it was killed before it got through; after
each death what is left must be whole.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from marketplace import clock, database
from marketplace.database import fetch_value
from marketplace.earnings import actions
from tests.marketplace.earnings.sales import check_whole

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType

WATCHED = ("marketplace/earnings/actions.py", "marketplace/ledger/actions.py")


def in_a_child(url: str, work: Callable[[], Awaitable[object]]) -> bool:
    """Do `work` in a forked child with a pool of its own; tell whether it was killed, and refuse any other failure."""

    async def whole() -> None:
        await database.open_pool(url, size=2)
        await work()
        await database.close_pool()

    child = os.fork()
    if child == 0:
        try:
            asyncio.run(whole())
        except BaseException:  # noqa: BLE001 (a forked child must end here, whatever happened)
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), f"the child ended with {code}"
    return code != 0


async def dying(verb: str, left: int) -> None:
    """Run `verb` and die before its `left`-th line."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(WATCHED) or frame.f_code.co_name.startswith("<"):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    with clock.shifted(dt.timedelta(days=15)):
        sys.settrace(trace)
        await getattr(actions, verb)()
        sys.settrace(None)


async def check() -> None:
    """Wait until the server has buried the dead child's connections, then look."""
    while await fetch_value(  # noqa: ASYNC110 (the server tells nobody when it has buried them)
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ):
        await asyncio.sleep(0.01)
    await check_whole()


def main(url: str, verb: str, every: int) -> None:
    deaths = 0
    while in_a_child(url, functools.partial(dying, verb, 1 + deaths * every)):
        deaths += 1
        in_a_child(url, check)
    print(deaths)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
