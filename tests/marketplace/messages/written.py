"""What messages there are, for tests beside the facts that write them."""

from __future__ import annotations

from tests.support.reads import fetch


async def kinds_written() -> list[str]:
    """Return the kinds of all messages, each as often as it was written, in order of the alphabet."""
    return [row["kind"] for row in await fetch("SELECT kind FROM message ORDER BY kind")]
