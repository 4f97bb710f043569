"""Kill -9 at every await of sending: the letter arrives, twice at most, and then under one Message-ID."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.marketplace.mail.killed import address_of
from tests.marketplace.mail.post_office import open_post_office
from tests.support.dying import killed_everywhere


@pytest.mark.deep
async def test_a_letter_arrives_wherever_its_worker_dies(database_url: str) -> None:
    with open_post_office() as office:
        deaths = await killed_everywhere("tests.marketplace.mail.killed", "letter", database_url)
        arrived: dict[str, list[str]] = defaultdict(list)
        for _, to, letter in office.letters:
            arrived[to].append(letter["Message-ID"])
    assert deaths >= 10
    for name in map(str, range(deaths + 1)):
        copies = arrived[address_of(name)]
        assert 1 <= len(copies) <= 2, f"{name}: {copies}"
        assert len(set(copies)) == 1
    assert any(len(copies) == 2 for copies in arrived.values()), "a death after the hand-over makes the one duplicate"
