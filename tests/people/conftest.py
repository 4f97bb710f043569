"""Fixtures of people's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.people.builders import PostOffice, open_post_office

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def office(database_url: str) -> Iterator[PostOffice]:
    del database_url
    with open_post_office() as serving:
        yield serving
