"""The command line: `python3 marketplace COMMAND`, `python -m marketplace COMMAND`, `uv run marketplace COMMAND`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@contextlib.contextmanager
def _database() -> Iterator[None]:
    """Provide DATABASE_URL: the environment's, or the embedded server's."""
    from marketplace.settings import settings

    if settings().database_url:
        yield
        return
    from marketplace.embedded.postgres import EmbeddedPostgres

    with EmbeddedPostgres(settings().state) as server:
        os.environ["DATABASE_URL"] = server.url()
        settings.cache_clear()
        yield


def _with_pool(story: Callable[[], Awaitable[int]]) -> int:
    from marketplace import database
    from marketplace.settings import settings

    async def whole() -> int:
        await database.open_pool(settings().database_url)
        try:
            return await story()
        finally:
            await database.close_pool()

    with _database():
        return asyncio.run(whole())


def _refuse_the_demos() -> None:
    """Refuse the demo's settings: what follows handles real people's events."""
    from marketplace.settings import refuse_demo_settings, settings

    refuse_demo_settings(settings())


def demo(_: argparse.Namespace) -> int:
    """Start everything on this machine with a small seeded world: PostgreSQL, a local Stripe counterpart, jobs, the site."""
    from marketplace.embedded.demo import run_demo

    return run_demo()


def serve(_: argparse.Namespace) -> int:
    """Serve the site in production; refuses the local Stripe counterpart, one-click sign-in, demo keys and the key that opens bids."""
    import uvicorn

    from marketplace import clock
    from marketplace.app import create_app
    from marketplace.settings import refuse_bid_key, refuse_demo_settings, settings

    clock.forbid_shifts()
    refuse_demo_settings(settings())
    refuse_bid_key(settings(), serving=True)
    with _database():
        uvicorn.run(
            create_app(), host=settings().host, port=settings().port, access_log=False, timeout_graceful_shutdown=5
        )
    return 0


def jobs(_: argparse.Namespace) -> int:
    """Run the scheduled jobs; any number of workers may."""
    from marketplace import clock
    from marketplace.jobs.scheduler import work_until_stopped
    from marketplace.settings import refuse_bid_key, refuse_demo_settings, settings

    clock.forbid_shifts()
    refuse_demo_settings(settings())
    refuse_bid_key(settings(), serving=False)

    async def story() -> int:
        await work_until_stopped()
        return 0

    return _with_pool(story)


def migrate(_: argparse.Namespace) -> int:
    """Bring the database up to date."""

    async def story() -> int:
        from migrations.runner import migrate as run_migrations

        print(await run_migrations(), end="")
        return 0

    return _with_pool(story)


def check(_: argparse.Namespace) -> int:
    """Sweep the invariants; prints a line an offender and fails if there is one."""

    async def story() -> int:
        from marketplace.invariants import INVARIANTS, broken

        offenders = await broken()
        for line in offenders:
            print(line)
        print(f"{len(INVARIANTS)} invariants swept, {len(offenders)} offenders.")
        return 1 if offenders else 0

    return _with_pool(story)


def close_month(_: argparse.Namespace) -> int:
    """Close the shares of every month that is over, as the job does: what was held becomes the subscribers', once."""

    async def story() -> int:
        from marketplace.earnings.month_close import close_months

        print(f"The shares of {await close_months()} licences became the subscribers'.")
        return 0

    return _with_pool(story)


def build(arguments: argparse.Namespace) -> int:
    """Build one private release of a dataset, from the event store or from files: Parquet or CSV, in a folder or bucket."""
    _refuse_the_demos()

    async def story() -> int:
        from marketplace.datasets.actions import build as build_release
        from marketplace.datasets.queries import get_dataset, get_release
        from marketplace.local_time import instant_at
        from marketplace.progress import Progress

        time_zone = (await get_dataset(arguments.dataset)).time_zone
        with Progress() as progress:
            release = await build_release(
                arguments.dataset,
                events=arguments.events,
                subscribers=arguments.subscribers,
                period_from=instant_at(arguments.period_from, time_zone),
                period_to=instant_at(arguments.period_to, time_zone),
                progress=progress,
            )
        row = await get_release(release)
        print(
            f"{row.state} {release}: {row.row_count} cells published of {row.key_count}, "
            f"{row.suppressed_micro / 10_000:.1f} % withheld, ε {row.epsilon_micro / 1_000_000:g} spent"
        )
        if row.refusal:
            print(row.refusal, file=sys.stderr)
            return 1
        return 0

    return _with_pool(story)


def ingest(arguments: argparse.Namespace) -> int:
    """Add or correct daily files of events, and the table of subscribers, in the event store; again changes nothing."""
    _refuse_the_demos()

    async def story() -> int:
        from marketplace.datasets.ingestion import ingest_events
        from marketplace.progress import Progress

        with Progress() as progress:
            days = await ingest_events(
                arguments.events,
                arguments.subscribers,
                arguments.sites,
                replace=arguments.replace,
                progress=progress,
            )
        for day, events in sorted(days.items()):
            print(f"{day}: {events} events")
        print(f"{len(days)} days ingested.")
        return 0

    return _with_pool(story)


def retract(arguments: argparse.Namespace) -> int:
    """Remove events of an interval, of one line or of all, from the event store; no later build counts them."""

    async def story() -> int:
        from marketplace.progress import Progress
        from marketplace.retractions.actions import retract as retract_events

        with Progress() as progress:
            days = await retract_events(
                arguments.starts_at,
                arguments.ends_at,
                subscriber=arguments.line,
                reason=arguments.reason,
                by="command",
                progress=progress,
            )
        for day, events in sorted(days.items()):
            print(f"{day}: {events} events retracted")
        print(f"{len(days)} days changed.")
        return 0

    return _with_pool(story)


def _instant(text: str) -> dt.datetime:
    """Read an ISO 8601 date or instant; one without an offset is of the dataset's time zone."""
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date or instant such as 2026-03-01T08:00:00Z.") from None


def parser() -> argparse.ArgumentParser:
    """Return the command line; README's table of commands is checked against it."""
    whole = argparse.ArgumentParser(prog="marketplace", description="Partage: anonymous aggregates, sold fairly.")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (demo, serve, jobs, migrate, check, close_month, ingest, retract, build):
        description = (command.__doc__ or "").strip()
        sub = commands.add_parser(command.__name__.replace("_", "-"), help=description, description=description)
        sub.set_defaults(run=command)
        if command is build:
            sub.add_argument("dataset", help="code of the dataset")
            sub.add_argument("--events", help="these events instead of the event store's: file, folder or bucket")
            sub.add_argument("--subscribers", help="this table instead of the one ingested last")
            sub.add_argument(
                "--from",
                required=True,
                dest="period_from",
                type=_instant,
                help="start of the period, included, in local time",
            )
            sub.add_argument("--to", required=True, dest="period_to", type=_instant, help="end of the period, excluded")
        if command is ingest:
            sub.add_argument(
                "--events",
                default="",
                help="file, folder or bucket: subscriber_id, at, and latitude, longitude or site",
            )
            sub.add_argument("--subscribers", default="", help="file: subscriber_id, age_band, home_zone")
            sub.add_argument("--sites", default="", help="file: site, zone (an H3 cell, or a zone's name)")
            sub.add_argument(
                "--replace", action="store_true", help="the files are all there is of the days that they have events of"
            )
        if command is retract:
            whose = sub.add_mutually_exclusive_group(required=True)
            whose.add_argument("--line", type=int, help="the operator's reference of the line whose events go")
            whose.add_argument("--all", action="store_true", help="everyone's events go")
            sub.add_argument(
                "--from", required=True, dest="starts_at", type=_instant, help="start of the interval, included"
            )
            sub.add_argument("--to", required=True, dest="ends_at", type=_instant, help="end of the interval, excluded")
            sub.add_argument("--reason", required=True, help="why, for the record")
    return whole


def log_plainly() -> None:
    """Log what failed without the values at hand: they hold people's secrets, and drawing them holds everyone up."""
    import structlog

    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


def main() -> None:
    """Run one command; a refusal is one sentence and exit code 1."""
    log_plainly()
    arguments = parser().parse_args()
    from marketplace.errors import Refusal

    try:
        sys.exit(arguments.run(arguments))
    except Refusal as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(Path(__file__).resolve().parent.parent)
        from marketplace._bootstrap import ensure

        ensure("marketplace")
    main()
