"""The attack: a line's next holder learns where its former one was, from what lies before the line was theirs."""

import datetime as dt
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.datasets.retractions.actions import retract_erased
from marketplace.oversight.rights.copies import write_copy
from marketplace.oversight.rights.erasing import erase
from marketplace.people.identity import actions as identity
from marketplace.subscribers.my_data.actions import make_own_maps
from tests.datasets import builders
from tests.oversight.builders import LINE, somebody
from tests.people.builders import PASSWORD, Browser, words

DAY = dt.timedelta(days=1)
HEIR, FRIEND, FRIENDS_LINE = "ann@heir.example", "bo@friend.example", 2


async def claim_as_holder(line: int, email: str) -> uuid.UUID:
    """Let somebody claim a line, and return who."""
    [(_, code)] = await identity.issue_activation_codes([line])
    return await identity.claim_line(line, code, email=email, name="Ann", password=PASSWORD)


async def lists_of(person: uuid.UUID) -> dict[str, Any]:
    """Return the lists of a person's copy."""
    with await write_copy(person) as file, zipfile.ZipFile(file) as archive:
        lists: dict[str, Any] = json.loads(archive.read("data.json"))["lists"]
        return lists


async def test_an_heir_is_not_shown_which_releases_the_former_holder_was_in() -> None:
    """She asks to delete all days since 2000, and reads which releases hold some of them."""
    async with somebody() as zoe:
        await erase(zoe.id)
        await claim_as_holder(LINE, HEIR)
    async with Browser() as heir:
        await heir.sign_in(HEIR)
        answer = await heir.submit("/en/my-data/delete", {"first": "2000-01-01", "last": "2026-12-31"})
    assert answer.status_code == 200
    assert "These past releases hold some of it" not in words(answer)


async def test_an_heirs_copy_names_no_sale_of_a_release_the_former_holder_was_in() -> None:
    """A colluding subscriber's copy has each release beside all that sets one sale apart."""
    async with somebody() as zoe:
        await erase(zoe.id)
        await execute("UPDATE subscriber SET claimed_at = NULL WHERE reference = $1", FRIENDS_LINE)
        own, theirs = (
            await lists_of(await claim_as_holder(LINE, HEIR)),
            await lists_of(await claim_as_holder(FRIENDS_LINE, FRIEND)),
        )
    assert own["shares"]
    assert all(share["release"] for share in theirs["shares"])
    apart = ("licence", "release", "sold_in", "held_until", "posted_minor", "pool_minor", "divided_by")
    assert {share[name] for share in own["shares"] for name in apart} == {None}


async def test_an_heir_is_not_shown_where_the_line_was_before_it_was_hers(tmp_path: Path) -> None:
    """Zoé erases herself and goes on using her phone. Days later the line is Ann's, who asks for her copy and her map."""
    with clock.shifted(-30 * DAY):
        async with somebody() as zoe:
            await erase(zoe.id)
    now, clinic = clock.now(), builders.ZONES[3]
    seen = [(LINE, now - days * DAY, clinic) for days in (8, 6, 4)]
    others = [(FRIENDS_LINE, now - 5 * DAY, builders.ZONES[0])]
    await ingest_events(**builders.write(tmp_path, seen + others, [1, 2, 3]))
    await retract_erased()
    heir = await claim_as_holder(LINE, HEIR)
    async with Browser() as ann:
        await ann.sign_in(HEIR)
        asked = await ann.submit("/en/my-data/map", {})
        await make_own_maps()
        shown = words(await ann.get(asked.headers["location"]))
    assert (await lists_of(heir))["events"] == []
    assert "Events 3" not in shown
