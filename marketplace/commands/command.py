"""The form of a command, and what commands share: the database they run on and arguments that several have."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import errno
import os
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


def no_arguments(_: argparse.ArgumentParser) -> None:
    """Add no arguments."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command; the first sentence of the docstring of `run` is its help."""

    name: str
    run: Callable[[argparse.Namespace], int]
    """Runs it; returns the exit code."""
    arguments: Callable[[argparse.ArgumentParser], None] = no_arguments
    """Adds its arguments to its parser."""

    @property
    def description(self) -> str:
        """Return what the command does, for `--help` and the manual."""
        return (self.run.__doc__ or "").strip()


@contextlib.contextmanager
def database_server() -> Iterator[None]:
    """Provide DATABASE_URL: the environment's, or the embedded server's."""
    from marketplace.core.settings import settings

    if settings().database_url:
        yield
        return
    from marketplace.core.postgres import EmbeddedPostgres

    make_state_folder()
    with EmbeddedPostgres(settings().state) as server:
        os.environ["DATABASE_URL"] = server.url()
        settings.cache_clear()
        yield


def make_state_folder() -> None:
    """Make the folder of the state if it is missing; refuses one that this account may not write."""
    from marketplace.core.errors import Invalid
    from marketplace.core.postgres import make_folder
    from marketplace.core.settings import settings

    state = settings().state
    try:
        make_folder(state)
        if not os.access(state, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise Invalid(
            "PARTAGE_STATE names the folder {state}, which cannot be written: {why}.", state=state, why=error.strerror
        ) from None


def with_pool(story: Callable[[], Awaitable[int | None]]) -> int:
    """Run a coroutine with the database's pool of connections; returns its exit code, None meaning 0.

    Refuses an unreachable database, and one whose schema lacks a table, column or function of the coroutine.
    """
    start_clock()
    with database_server():
        return asyncio.run(_with_pool(story)) or 0


def on_database(
    story: Callable[[argparse.Namespace], Awaitable[int | None]], *, before: Callable[[], None] = lambda: None
) -> Callable[[argparse.Namespace], int]:
    """Return what runs a command's coroutine with the database's connections, after `before`, which may refuse it."""

    @wraps(story)
    def run(arguments: argparse.Namespace) -> int:
        before()
        return with_pool(partial(story, arguments))

    return run


async def _with_pool(story: Callable[[], Awaitable[int | None]]) -> int | None:
    from asyncpg import exceptions as asyncpg

    from marketplace.core import database
    from marketplace.core.errors import Conflict
    from marketplace.core.settings import settings
    from migrations.pending import list_pending

    try:
        await database.open_pool(settings().database_url, size=settings().database_connections)
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
    """Refuse to serve from a wrong database, as its owner, or with another's objects.

    Wrong is a database of another kind of site, of other keys, without tables, one that went back, or one whose restore
    has not ended.

    is_embedded: the database comes with Partage and has no role other than the owner.
    """
    from marketplace.core.backup.keys import refuse_other_keys
    from marketplace.core.backup.servers import refuse_gone_back
    from marketplace.core.backup.unfinished import refuse_unfinished
    from marketplace.people.identity.tables import Person
    from marketplace.people.sandbox.actions import check_database
    from marketplace.site.health.identity_keys import refuse_other_identity_keys
    from marketplace.site.health.published_objects import refuse_other_objects
    from marketplace.site.health.serving_role import OWNER, refuse_owner

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
    """Shift a rehearsal's clock by the days of its setting; production's clock is never shifted."""
    from marketplace.core import clock
    from marketplace.core.settings import settings

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
    """Begin a command that serves real people, or a rehearsal: fix the clock, then refuse the demo's settings."""
    from marketplace.core.settings import settings

    if arguments.rehearsal:
        os.environ["PARTAGE_REHEARSAL"] = "1"
        settings.cache_clear()
    start_clock(is_production=True)
    refuse_the_demos()


def refuse_the_demos() -> None:
    """Refuse the demo's settings before real people's events are handled."""
    from marketplace.core.setting_checks import refuse_demo_settings
    from marketplace.core.settings import settings

    refuse_demo_settings(settings())


def instant(text: str) -> dt.datetime:
    """Read an ISO 8601 date or instant; one without an offset is in the dataset's time zone."""
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date or instant such as 2026-03-01T08:00:00Z.") from None
