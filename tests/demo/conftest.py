"""What tests of the local Stripe counterpart share: one process a run, an empty state a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.counterpart_harness import Receiver, Running, receiving


@pytest.fixture(scope="session")
def counterpart_process() -> Iterator[Running]:
    running = Running()
    yield running
    running.stop()


@pytest.fixture
def fresh_counterpart(counterpart_process: Running) -> Running:
    """Give a counterpart whose state is empty."""
    counterpart_process.control("reset")
    return counterpart_process


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[Running]:
    """Give a counterpart whose state is a file."""
    running = Running("--state", str(tmp_path / "stripe.db"))
    yield running
    running.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a webhook endpoint that keeps what it gets."""
    with receiving() as here:
        yield here
