"""A scene of the public log for `tests.support.dying`: facts are stated, the job that logs them dies, another one goes on."""

from __future__ import annotations

import datetime as dt

from marketplace.database import transaction
from marketplace.log.actions import state_fact
from marketplace.transparency.actions import keep_log
from marketplace.transparency.queries import count_entries, list_entries
from tests.marketplace.transparency.logs import log_folder, log_key, verify
from tests.support.dying import Scene

FACTS = 3


async def state(name: str) -> None:
    async with transaction():
        for number in range(FACTS):
            await state_fact("auction_closed", f"{name} {number}", {"root": "00" * 32, "bids": number})


async def log_them(_: str) -> None:
    await keep_log()


async def finish(name: str) -> None:
    """Log what is left, and refuse a log that lost, doubled or reordered a fact, or whose files are not its entries."""
    await keep_log()
    entries = [one for one in await list_entries(0, await count_entries()) if one.kind == "auction_closed"]
    mine = [one.subject for one in entries if one.subject.rpartition(" ")[0] == name]
    assert mine == [f"{name} {number}" for number in range(FACTS)], mine
    status, printed = verify("--key", await log_key(), "--tiles", await log_folder())
    assert status == 0, printed


FILES = (
    "marketplace/transparency/actions.py",
    "marketplace/transparency/continuing.py",
    "marketplace/object_store.py",
    "marketplace/log/actions.py",
)
SCENES = {"log": Scene(state, log_them, finish, FILES, apart=dt.timedelta(hours=9))}
"""Nine hours apart: every third death is of a run that has days to log as well."""
