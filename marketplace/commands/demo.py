"""`demo`: Everything on one machine, with seeded data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, make_state_folder

if TYPE_CHECKING:
    import argparse


def run(_: argparse.Namespace) -> int:
    """Start everything on this machine with a small seeded world: PostgreSQL, a local Stripe counterpart, jobs, the site."""
    return run_everything()


def run_everything() -> int:
    """Run all in one process; the database starts, and cities are generated, while the rest is loaded."""
    from marketplace.core import clock
    from marketplace.core.postgres import EmbeddedPostgres, StartedBeside
    from marketplace.core.settings import settings
    from marketplace.demo.seed_cities import CitiesBeside

    make_state_folder()
    state = settings().state
    server = None if settings().database_url else StartedBeside(EmbeddedPostgres(state))
    cities = CitiesBeside(state / "city", clock.now())
    from marketplace.demo.demo import run_demo

    return run_demo(server, cities)


COMMAND = Command("demo", run)
