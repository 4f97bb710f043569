"""`demo`: Everything on one machine, with a seeded world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command

if TYPE_CHECKING:
    import argparse


def run(_: argparse.Namespace) -> int:
    """Start everything on this machine with a small seeded world: PostgreSQL, a local Stripe counterpart, jobs, the site."""
    from marketplace.embedded.demo import run_demo

    return run_demo()


COMMAND = Command("demo", run)
