"""`close-month`: A month's shares, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


async def run(_: argparse.Namespace) -> None:
    """Close the shares of every month that is over, as the job does: what was held becomes the subscribers', once."""
    from marketplace.subscribers.earnings.month_close import close_months

    print(f"The shares of {await close_months()} licences became the subscribers'.")


COMMAND = Command("close-month", on_database(run))
