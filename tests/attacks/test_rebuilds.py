"""A partner holds a release and its corrected rebuild, and subtracts one from the other.

Where the noise of both were one, or the second were free of charge, what was corrected would show: an erased person, a
retracted hour. Each is charged whole and drawn afresh, so a difference bears the noise of two.
"""

import uuid
from pathlib import Path

import numpy as np
import pytest

from marketplace.core.settings import settings
from marketplace.datasets.releases import queries
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.datasets.retractions.actions import retract_erased
from marketplace.people.identity.actions import claim_line, erase_person, issue_activation_codes
from marketplace.privacy.gate import audit
from marketplace.privacy.noise import Law
from tests.attacks.builders import build_revision
from tests.datasets.builders import PERIOD, ZONES, at, declare, kept, make_subscribers, write
from tests.support.reads import fetch_value

PEOPLE = range(1, 1_201)
EPSILON = 4_000_000
HOURS = 8
ERASED = 3


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", "100000000000")
    settings.cache_clear()


async def people_in_cells(release: uuid.UUID) -> dict[tuple[object, ...], int]:
    rows = (await queries.cells(release)).to_pylist()
    return {(row["zone"], row["starts_at"], row["segment"]): row["people"] for row in rows}


async def spent() -> tuple[int, int]:
    """Return what the dataset and its years were charged: micro-epsilon, and nano-rho of the worst year."""
    dataset = int(await fetch_value("SELECT spent_micro FROM dataset"))
    return dataset, int(await fetch_value("SELECT max(rho_nano) FROM privacy_year"))


@pytest.mark.long
async def test_a_rebuild_is_charged_again_and_has_noise_of_its_own(tmp_path: Path) -> None:
    await declare(epsilon_micro=EPSILON, budget_micro=10 * EPSILON)
    await make_subscribers(PEOPLE)
    seen = [(who, at(8 + (who + step) % HOURS), ZONES[who % 2]) for who in PEOPLE for step in range(3)]
    await ingest_events(**write(tmp_path, seen, PEOPLE))
    first = await build_revision(1)
    after_one = await spent()
    again = await build_revision(2)
    assert await spent() == (2 * EPSILON, 2 * after_one[1])
    ((_, code),) = await issue_activation_codes([ERASED])
    person = await claim_line(ERASED, code, email="lea@example.org", name="Léa", password="a rather long sentence")
    await erase_person(person)
    assert await retract_erased() == 3
    without = await build_revision(3)
    assert await spent() == (3 * EPSILON, 3 * after_one[1])
    assert ERASED not in (await kept(without, "manifest"))["reference"].to_pylist()
    law = (await queries.get_specification(await queries.get_dataset("lyon"), **PERIOD)).law("people")
    one, two, three = [await people_in_cells(release) for release in (first, again, without)]
    for before, after in ((one, two), (two, three), (one, three)):
        both = sorted(set(before) & set(after), key=str)
        differences = np.array([after[cell] - before[cell] for cell in both])
        assert len(both) >= 2 * HOURS
        alike = audit.CountTest(audit.alike(law), len(both))
        assert not alike.is_too_often(int((differences == 0).sum())), "no noise is used twice"
        # Both noises are as large as stated: the mean of |a - b| of two Laplace noises is 1.5 scales; a third of it is far off.
        assert np.abs(differences).mean() > law.scale / 2
    assert await fetch_value("SELECT count(*) FROM release WHERE state = 'sealed'") == 3


@pytest.mark.parametrize("shared", [True, False])
def test_the_test_of_shared_noise_bites(*, shared: bool) -> None:
    rng = np.random.default_rng(3)
    a = rng.geometric(0.2, 40) - rng.geometric(0.2, 40)
    b = a if shared else rng.geometric(0.2, 40) - rng.geometric(0.2, 40)
    law = Law("laplace", -1 / np.log(0.8))
    assert audit.CountTest(audit.alike(law), 40).is_too_often(int((a == b).sum())) == shared
