"""`restore`: A backup, on an empty machine."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.commands.command import Command, instant, with_pool

if TYPE_CHECKING:
    import argparse

    from marketplace.oversight.rights.erasure_list import ListedErasure


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("source", nargs="?", help="the backup's file, or its address in a bucket")
    parser.add_argument("--identity", type=Path, help="file of the private key that opens it")
    parser.add_argument(
        "--rehearse",
        action="store_true",
        help="restore into a server and a store that are made for it and removed again; touches nothing else",
    )
    parser.add_argument(
        "--gap", action="store_true", help="only list what came again since the last restore and is in no order of ours"
    )
    parser.add_argument(
        "--nothing-lost",
        action="store_true",
        help="PostgreSQL continues from the very last transaction on another server, such as a synchronous standby: note it",
    )
    parser.add_argument(
        "--from-instant",
        type=instant,
        help="PostgreSQL itself was brought to this instant by its own log: note it, and do all else that a restore does",
    )


def run(arguments: argparse.Namespace) -> int:
    """Restore a backup into an empty database and object store, check both, and print what it lacks."""
    from marketplace.core.errors import Invalid

    if arguments.nothing_lost:
        return with_pool(_nothing_lost)
    is_without_backup = (arguments.gap or arguments.from_instant) and not arguments.rehearse
    if not (is_without_backup or (arguments.source and arguments.identity)):
        raise Invalid("Say which backup, and --identity: the file of the private key that opens it.")

    if arguments.rehearse:
        return _rehearse(arguments.source, arguments.identity)

    async def story() -> int:
        from marketplace.finance.reconciliation.restore_gap import list_gap

        if arguments.from_instant:
            is_whole = await _go_on_from(arguments.from_instant)
        else:
            is_whole = arguments.gap or await _restore(arguments.source, arguments.identity)
        if not is_whole:
            return 1
        for line in await list_gap():
            print(line)
        return 0

    return with_pool(story)


def _rehearse(source: str, identity: Path) -> int:
    """Restore a backup, objects included, where nothing is left of it afterwards, and print how long it took."""
    from marketplace.core.notes import place
    from marketplace.core.postgres import throwaway_server
    from marketplace.core.settings import settings

    began, notes = time.monotonic(), place.address()
    with throwaway_server() as server:
        state = server.folder / "state"
        state.mkdir(mode=0o700)
        os.environ |= {
            "DATABASE_URL": server.url(),
            "PARTAGE_STATE": str(state),
            "PARTAGE_OBJECTS": (state / "objects").as_uri(),
            "PARTAGE_NOTES": notes,
        }
        settings.cache_clear()

        async def story() -> int:
            return 0 if await _restore(source, identity) else 1

        code = with_pool(story)
    print(f"Rehearsed in {time.monotonic() - began:.0f} seconds; nothing of it is left on this machine.")
    return code


async def _nothing_lost() -> int:
    from asyncpg.exceptions import InsufficientPrivilegeError

    from marketplace.core.backup.servers import note_server
    from marketplace.core.backup.unfinished import refuse_unfinished
    from marketplace.core.errors import Conflict

    await refuse_unfinished()
    try:
        await note_server()
    except InsufficientPrivilegeError:
        raise Conflict("This role may not note it: load the environment file of `migrate`.") from None
    print("Noted: the database continues from its last transaction.")
    return 0


async def _restore(source: str, identity: Path) -> bool:
    from marketplace.core.backup.actions import missing_keys, note_restoration, restore
    from marketplace.oversight.rights.erasure_list import read_erasures
    from migrations.runner import migrate

    erased = await read_erasures()
    manifest = await restore(source, identity)
    await migrate()
    await note_restoration(manifest)
    print(f"Restored the database of {manifest.made_at} and {len(manifest.files) - 1} objects; all digests match.")
    for name in missing_keys(manifest):
        print(f"{name} is not the one that the backup was made with: set it before anything is served.")
    return await _catch_up(erased, dt.datetime.fromisoformat(manifest.made_at))


async def _go_on_from(reached: dt.datetime) -> bool:
    from marketplace.core.backup.actions import mark_point_in_time, note_point_in_time
    from marketplace.oversight.rights.erasure_list import read_erasures
    from migrations.runner import migrate

    erased = await read_erasures()
    await mark_point_in_time(reached)
    await migrate()
    await note_point_in_time(reached)
    print(f"The database continues from {reached.isoformat()}.")
    return await _catch_up(erased, reached)


async def _catch_up(erased: list[ListedErasure], since: dt.datetime) -> bool:
    """Run the steps that the gap requires before anything is served; return whether all is well."""
    from marketplace.core.backup.servers import note_server
    from marketplace.core.backup.unfinished import remove_mark
    from marketplace.core.settings import settings
    from marketplace.money.payments.outbox import look_before_calling
    from marketplace.oversight.invariants import INVARIANTS, broken
    from marketplace.oversight.rights.repeating import erase_again, repeat_words

    waiting = await look_before_calling()
    print(f"{waiting} commands to Stripe are looked for there before they are sent.")
    if not settings().notes:
        print("PARTAGE_NOTES is not set: what people said elsewhere since the backup is not known here.")
    refused: list[str] = []
    print(f"{await repeat_words(since, report=print)} notes of what people said are repeated.")
    again = await erase_again(erased, report=refused.append)
    print(f"{again} people are erased again, of {len(erased)} on the list of erasures.")
    for line in refused:
        print(line)
    await note_server()
    await remove_mark()
    offenders = await broken()
    for line in offenders:
        print(line)
    print(f"{len(INVARIANTS)} invariants swept, {len(offenders)} offenders.")
    return not offenders and not refused


COMMAND = Command("restore", run, arguments)
