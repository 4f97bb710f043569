"""Kill -9 at every await of keeping the log: no fact is lost, doubled or reordered, and no head contradicts another."""

from __future__ import annotations

import pytest

from tests.support.dying import killed_everywhere


@pytest.mark.deep
async def test_the_log_is_whole_wherever_its_job_dies(database_url: str) -> None:
    assert await killed_everywhere("tests.marketplace.transparency.killed", "log", database_url) >= 10
