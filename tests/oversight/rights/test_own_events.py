"""A copy says where its holder's line was, and nothing of any other line; a store too large to search says so."""

from pathlib import Path

import pytest

from marketplace.datasets.builds import own_events
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.datasets.retractions.actions import retract_erased
from marketplace.oversight.rights.copies import write_copy
from marketplace.oversight.rights.erasing import erase
from marketplace.people.identity.actions import claim_line, issue_activation_codes
from tests.datasets.builders import ZONES, at, crowd, declare, make_subscribers, write
from tests.oversight.builders import open_copy

PEOPLE = range(1, 41)


async def test_a_copy_has_the_lines_own_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await declare()
    await make_subscribers(PEOPLE)
    await ingest_events(**write(tmp_path, [*crowd(40), *((3, at(hour), ZONES[4]) for hour in (14, 30))], PEOPLE))

    async def claim() -> dict[str, list[dict[str, object]]]:
        ((_, code),) = await issue_activation_codes([3])
        person = await claim_line(3, code, email="lea@example.org", name="Léa", password="a rather long sentence")
        with await write_copy(person) as file:
            lists, whole = open_copy(file.read())
        await erase(person)
        assert "events" in whole.read("README.txt").decode() or not lists["events"]
        return lists

    events = (await claim())["events"]
    assert len(events) == 3
    assert [str(event["at"])[:13] for event in events][1:] == [
        str(at(hour))[:10] + f"T{at(hour):%H}" for hour in (14, 30)
    ]
    assert len({(event["site"], event["latitude"], event["longitude"]) for event in events}) == 2
    await retract_erased()
    assert (await claim())["events"] == [], "another holder of the line sees nothing of hers"
    monkeypatch.setattr(own_events, "MOST_BYTES", 0)
    assert (await claim())["events"] == []
