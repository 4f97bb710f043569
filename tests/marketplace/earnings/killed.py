"""Run one job of earnings and die by SIGKILL at its N-th line: `python -m tests.marketplace.earnings.killed URL VERB N`."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from marketplace import clock, database
from marketplace.earnings import actions

if TYPE_CHECKING:
    from types import FrameType

WATCHED = ("marketplace/earnings/actions.py", "marketplace/database.py", "marketplace/ledger/actions.py")


async def main(url: str, verb: str, line: int) -> None:
    await database.open_pool(url, size=2)
    left = line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(WATCHED):
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
    await database.close_pool()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
