"""What tests of the public log share: facts in numbers, the store's files as a folder, and the command line that checks them."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from marketplace import object_store
from marketplace.consent import actions as consent
from marketplace.database import copy_in, transaction
from marketplace.log.actions import state_fact
from marketplace.settings import settings
from marketplace.transparency.queries import current_origin, find_head
from marketplace.transparency.rules import name_of
from pricing.__main__ import main
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    from pathlib import Path

PURPOSE = "presence.statistics"


async def state_facts(first: int, end: int) -> None:
    async with transaction():
        for number in range(first, end):
            statement = {"root": f"{number:064x}", "bids": number}
            await state_fact("auction_closed", f"auction {number}", statement)


async def agree(*people: int) -> list[str]:
    """Let new lines consent; return their receipts."""
    if not await fetch_value("SELECT count(*) FROM purpose"):
        await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
        await consent.publish_notice(PURPOSE, text_fr="On compte.", text_en="We count.")
    await copy_in("subscriber", ["reference"], [(who,) for who in people])
    return [str(await consent.give(who, PURPOSE)) for who in people]


async def log_folder() -> Path:
    """Return the folder of the log's files in the store."""
    return settings().state / "objects" / "log" / name_of(await current_origin())


async def log_key() -> str:
    head = await find_head()
    assert head
    return head.key


def verify(*arguments: object) -> tuple[int, str]:
    """Run `python -m pricing verify`; return its exit status and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = main(["verify", *map(str, arguments)])
    return status, printed.getvalue()


async def names_in_store() -> set[str]:
    folder = await log_folder()
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def overwrite(path: str, data: bytes) -> None:
    await object_store.put(f"log/{name_of(await current_origin())}/{path}", data)
