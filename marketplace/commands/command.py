"""What a command is, and what commands share: the database they run on and the arguments that several take."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


def no_arguments(_: argparse.ArgumentParser) -> None:
    """Take none."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: the first sentence of what `run` says of itself is its help."""

    name: str
    run: Callable[[argparse.Namespace], int]
    """Do it; returns the exit code."""
    arguments: Callable[[argparse.ArgumentParser], None] = no_arguments
    """Add its arguments to its parser."""

    @property
    def description(self) -> str:
        """Return what the command does, as `--help` and the manual say it."""
        return (self.run.__doc__ or "").strip()


@contextlib.contextmanager
def database_server() -> Iterator[None]:
    """Provide DATABASE_URL: the environment's, or the embedded server's."""
    from marketplace.settings import settings

    if settings().database_url:
        yield
        return
    from marketplace.embedded.postgres import EmbeddedPostgres

    make_state_folder()
    with EmbeddedPostgres(settings().state) as server:
        os.environ["DATABASE_URL"] = server.url()
        settings.cache_clear()
        yield


def make_state_folder() -> None:
    """Make the folder of the state where it is absent; refuses one that this account may not write."""
    from marketplace.embedded.postgres import make_folder
    from marketplace.errors import Invalid
    from marketplace.settings import settings

    state = settings().state
    try:
        make_folder(state)
        if not os.access(state, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise Invalid(
            "PARTAGE_STATE names the folder {state}, which cannot be written: {why}.", state=state, why=error.strerror
        ) from None


def with_pool(story: Callable[[], Awaitable[int]]) -> int:
    """Run a coroutine that has the database's pool of connections; returns what it returns.

    Refuses a database that cannot be reached, and one whose schema lacks what the story asked for.
    """
    start_clock()
    with database_server():
        return asyncio.run(_with_pool(story))


async def _with_pool(story: Callable[[], Awaitable[int]]) -> int:
    from asyncpg import exceptions as asyncpg

    from marketplace import database
    from marketplace.errors import Conflict
    from marketplace.settings import settings
    from migrations.pending import list_pending

    try:
        await database.open_pool(settings().database_url)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Conflict(
            "The database cannot be reached: {why}. Is PostgreSQL started? Compare DATABASE_URL.",
            why=database.reason_of(error),
        ) from error
    try:
        return await story()
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError) as error:
        if not await list_pending():
            raise
        raise Conflict(
            "The database is not up to date: run `marketplace migrate` first, with the file of `migrate`."
        ) from error
    finally:
        await database.close_pool()


async def refuse_unready(*, is_embedded: bool = False) -> int:
    """Refuse to serve from a database of another kind of site, of other keys, one that went back or whose restore has not ended, one without tables; as its owner; and with another's objects.

    is_embedded: the database is the one that comes with Partage, where there is no other role than the owner.
    """
    from marketplace.backup.keys import refuse_other_keys
    from marketplace.backup.servers import refuse_gone_back
    from marketplace.backup.unfinished import refuse_unfinished
    from marketplace.health.identity_keys import refuse_other_identity_keys
    from marketplace.health.published_objects import refuse_other_objects
    from marketplace.health.serving_role import OWNER, refuse_owner
    from marketplace.identity.tables import Person
    from marketplace.sandbox.actions import check_database

    await check_database()
    await refuse_unfinished()
    await refuse_gone_back()
    await Person.exists()
    if is_embedded:
        print(f"{OWNER} So it is with the PostgreSQL that comes with Partage: give real people one of your own.")
    else:
        await refuse_owner()
    await refuse_other_keys()
    await refuse_other_identity_keys()
    await refuse_other_objects()
    return 0


def start_clock(*, is_production: bool = False) -> None:
    """Let a rehearsal's clock be as many days ahead as its setting says; production's is never shifted."""
    from marketplace import clock
    from marketplace.settings import settings

    if settings().rehearsal and settings().rehearsal_days:
        clock.rehearse(dt.timedelta(days=settings().rehearsal_days))
    elif is_production:
        clock.forbid_shifts()


def rehearsal_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--rehearsal`."""
    parser.add_argument(
        "--rehearsal", action="store_true", help="with a test Stripe, said on every page; refuses a live key"
    )


def begin(arguments: argparse.Namespace) -> None:
    """Begin what serves real people, or a rehearsal: fix the clock, then refuse the demo's settings."""
    from marketplace.settings import settings

    if arguments.rehearsal:
        os.environ["PARTAGE_REHEARSAL"] = "1"
        settings.cache_clear()
    start_clock(is_production=True)
    refuse_the_demos()


def refuse_the_demos() -> None:
    """Refuse the demo's settings: what follows handles real people's events."""
    from marketplace.setting_checks import refuse_demo_settings
    from marketplace.settings import settings

    refuse_demo_settings(settings())


def instant(text: str) -> dt.datetime:
    """Read an ISO 8601 date or instant; one without an offset is of the dataset's time zone."""
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date or instant such as 2026-03-01T08:00:00Z.") from None
