"""What tests of switches share: a year in which almost nothing is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lavish_year(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Allow a subscriber's year so much loss that a build may publish counts almost as they are."""
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", "100000000000")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()
