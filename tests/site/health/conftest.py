"""Fixtures of the tests of health."""

from collections.abc import Iterator

import pytest

from marketplace.core.settings import settings


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[pytest.MonkeyPatch]:  # noqa: ARG001 (its settings come first)
    """Return what changes settings for the test."""
    yield monkeypatch
    settings.cache_clear()
