"""What a worker keeps from one async test to the next, in the loop that they share, until its last."""

from contextlib import AsyncExitStack

KEPT = AsyncExitStack()
"""Closed by the fixture `one_loop`."""
