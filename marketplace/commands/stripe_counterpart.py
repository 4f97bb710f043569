"""`stripe-counterpart`: A local counterpart of Stripe, for a rehearsal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.commands.command import Command, start_clock

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--port", type=int, default=8700, help="port on 127.0.0.1; 0 chooses a free one")
    parser.add_argument("--state", type=Path, default=None, help="file of its state; in memory when left out")
    parser.add_argument("--daily-payouts", action="store_true", help="pay out by itself every midnight (UTC)")


def run(arguments: argparse.Namespace) -> int:
    """Run a local counterpart of Stripe for `serve --rehearsal`: it accepts test cards, and no real money moves."""
    from marketplace.core import clock
    from marketplace.demo.stripe_counterpart.__main__ import serve

    start_clock()
    serve(
        arguments.port,
        arguments.state,
        daily_payouts=arguments.daily_payouts,
        read_time=lambda: clock.now().timestamp(),
    )
    return 0


COMMAND = Command("stripe-counterpart", run, arguments)
