"""Fixtures of people's tests."""

from collections.abc import Iterator

import pytest

from tests.people.builders import PostOffice, open_post_office


@pytest.fixture
def office(database_url: str) -> Iterator[PostOffice]:
    del database_url
    with open_post_office() as serving:
        yield serving
