"""`close-month`: A month's shares, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, with_pool

if TYPE_CHECKING:
    import argparse


def run(_: argparse.Namespace) -> int:
    """Close the shares of every month that is over, as the job does: what was held becomes the subscribers', once."""

    async def story() -> int:
        from marketplace.subscribers.earnings.month_close import close_months

        print(f"The shares of {await close_months()} licences became the subscribers'.")
        return 0

    return with_pool(story)


COMMAND = Command("close-month", run)
