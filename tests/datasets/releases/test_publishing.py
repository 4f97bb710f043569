"""Publishing, revisions, editions, revocation, and what a year may cost, with the database."""

import asyncio
import datetime as dt
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow.parquet as pq
import pytest

from marketplace.consent.purposes import actions as consent
from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.datasets.releases import actions, dossier, publishing, queries
from marketplace.datasets.releases.rules import DatasetTerms
from marketplace.privacy import specification
from tests.datasets import builders
from tests.datasets.builders import PERIOD, START, at, crowd, declare, make_subscribers, write
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value, list_facts

AGAIN = {"revision": 2, "note_fr": "Corrigé.", "note_en": "Corrected."}


async def prepare_release(folder: Path, **other: Any) -> dict[str, str]:
    await declare(**other)
    await make_subscribers(range(1, 301))
    return write(folder, crowd(300), range(1, 301))


async def the_dossier(release: Any) -> asyncpg.Record:
    row = await fetch_one("SELECT * FROM dossier WHERE release = $1", release)
    assert row
    return row


async def test_what_passed_waits_for_a_person_where_it_should(tmp_path: Path) -> None:
    files = await prepare_release(tmp_path)
    release = await actions.build("lyon", **files, **PERIOD, publish=False)
    row = await queries.get_release(release)
    assert row.state == "assessed"
    with pytest.raises(NotFound):
        await object_store.get(object_store.cells_key(release))
    with pytest.raises(Conflict):
        await queries.cells(release)
    written = await the_dossier(release)
    assert written["passed"]
    assert dossier.is_ours(written["document"], written["signature"], settings().signing_key)
    stated = dossier.read(written["document"])
    assert stated["cells_sha256"] == row.cells_sha256
    assert stated["promise"]["rho_nano"] == row.rho_nano
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(specification, "METHOD", "another")
        with pytest.raises(Conflict, match="another method"):
            await publishing.publish(release, by="Ada")
    await publishing.publish(release, by="Ada")
    await publishing.publish(release, by="Bob")
    row = await queries.get_release(release)
    assert (row.state, row.sealed_by) == ("sealed", "Ada")
    assert row.sealed_at >= row.started_at
    assert hashlib.sha256(await object_store.get(object_store.cells_key(release))).hexdigest() == row.cells_sha256
    for table in ("dossier", "privacy_spend", "coverage"):
        with pytest.raises(Exception, match="append-only"):
            await as_owner(f"UPDATE {table} SET release = release")


@pytest.mark.long
@pytest.mark.usefixtures("lavish_year")
async def test_a_blocked_release_is_never_published_and_says_why(tmp_path: Path) -> None:
    files = await prepare_release(tmp_path, max_cells=48, epsilon_micro=2_000_000_000, budget_micro=8_000_000_000)
    release = await actions.build("lyon", **files, **PERIOD)
    row = await queries.get_release(release)
    assert row.state == "blocked"
    assert "can be followed" in row.refusal
    written = await the_dossier(release)
    assert not written["passed"]
    assert written["reasons"] == dossier.read(written["document"])["reasons"]
    with pytest.raises(Conflict, match="blocked"):
        await publishing.publish(release, by="Ada")
    assert await actions.build("lyon", **files, **PERIOD) == release
    with pytest.raises(NotFound):
        await object_store.get(object_store.cells_key(release))
    with pytest.raises(Exception, match="append-only"):
        await execute("UPDATE release SET state = 'assessed'")
    with pytest.raises(Conflict):
        await publishing.revoke(release, reason_fr="x", reason_en="x", by="Ada")


async def test_editions_are_made_of_the_published_bytes_and_nest(tmp_path: Path) -> None:
    files = await prepare_release(tmp_path, edition_multiples=[4, 16])
    release = await actions.build("lyon", **files, **PERIOD)
    row = await queries.get_release(release)
    levels = await fetch("SELECT * FROM edition WHERE release = $1 ORDER BY level", release)
    assert [level["variance_multiple"] for level in levels] == [4, 16]
    finer = {(c["zone"], c["starts_at"], c["segment"]) for c in (await queries.cells(release)).to_pylist()}
    for level in levels:
        data = await object_store.get(object_store.edition_key(release, level["level"]))
        assert hashlib.sha256(data).hexdigest() == level["cells_sha256"]
        cells = pq.read_table(io.BytesIO(data)).to_pylist()
        keys = {(c["zone"], c["starts_at"], c["segment"]) for c in cells}
        assert keys <= finer
        assert len(cells) == level["row_count"]
        assert abs(level["noise_variance_micro"] - row.noise_variance_micro * level["variance_multiple"]) < 99
        assert level["error_people"] > row.error_people
        finer = keys
    # The levels cost nothing beyond the release.
    assert await fetch_value("SELECT spent_micro FROM dataset") == row.epsilon_micro


async def test_a_revision_follows_says_what_changed_and_is_paid_for(tmp_path: Path) -> None:
    files = await prepare_release(tmp_path)
    with pytest.raises(Conflict, match="number 1"):
        await actions.build("lyon", **files, **PERIOD, **AGAIN)
    first = await actions.build("lyon", **files, **PERIOD)
    with pytest.raises(Invalid, match="both languages"):
        await actions.build("lyon", **files, **PERIOD, revision=2)
    second = await actions.build("lyon", **files, **PERIOD, **AGAIN)
    assert second != first
    assert await actions.build("lyon", **files, **PERIOD, **AGAIN) == second
    row = await queries.get_release(second)
    assert (row.state, row.revision, row.note_en) == ("sealed", 2, "Corrected.")
    stated = dossier.read((await the_dossier(second))["document"])
    differences = next(t for t in stated["criteria"]["linkability"]["tests"] if t["test"] == "differences")
    assert differences["figures"]["releases_held"] == 1
    assert differences["figures"]["cells_compared"] >= 2
    assert await fetch_value("SELECT spent_micro FROM dataset") == 4_000_000
    assert await fetch_value("SELECT count(*) FROM privacy_spend") == 2


async def test_of_two_that_wait_for_a_person_the_later_knows_the_earlier(tmp_path: Path) -> None:
    """Otherwise each would be assessed as if it were alone, and both be published."""
    files = await prepare_release(tmp_path)
    await actions.build("lyon", **files, **PERIOD, publish=False)
    both = [actions.build("lyon", **files, period_from=START, period_to=at(end), publish=False) for end in (47, 46)]
    known = []
    for release in await asyncio.gather(*both):
        stated = dossier.read((await the_dossier(release))["document"])
        tests = {test["test"]: test for test in stated["criteria"]["linkability"]["tests"]}
        assert tests["differences"]["figures"]["cells_compared"] >= 1
        known.append(tests["joint loss"]["figures"]["releases_held"])
    assert sorted(known) == [1, 2]


async def test_a_revocation_is_a_row_with_its_first_reason(tmp_path: Path) -> None:
    files = await prepare_release(tmp_path)
    release = await actions.build("lyon", **files, **PERIOD, publish=False)
    with pytest.raises(Conflict, match="sealed"):
        await publishing.revoke(release, reason_fr="Erreur.", reason_en="Mistake.", by="Ada")
    await publishing.publish(release, by="Ada")
    with pytest.raises(Invalid):
        await publishing.revoke(release, reason_fr=" ", reason_en="Mistake.", by="Ada")
    assert await queries.find_revocation(release) is None
    await publishing.revoke(release, reason_fr="Erreur.", reason_en="Mistake.", by="Ada")
    await publishing.revoke(release, reason_fr="Autre.", reason_en="Another.", by="Bob")
    why = await queries.find_revocation(release)
    assert why
    assert (why.reason_en, why.revoked_by) == ("Mistake.", "Ada")
    assert (await queries.get_release(release)).state == "sealed"
    # What was sold of it stays split among its people.
    assert len((await queries.manifest(release)).references) >= 290


async def test_the_public_log_has_a_release_with_its_seal_and_with_its_recall(tmp_path: Path) -> None:
    files = await prepare_release(tmp_path, edition_multiples=[4])
    release = await actions.build("lyon", **files, **PERIOD, publish=False)
    assert await list_facts() == []
    await publishing.publish(release, by="Ada")
    await publishing.publish(release, by="Bob")
    [sealed] = await list_facts()
    row = await queries.get_release(release)
    editions = await queries.list_editions(release)
    stated = json.loads(sealed.statement)
    assert (sealed.kind, sealed.subject) == ("release_sealed", str(release))
    assert (stated["dataset"], stated["cells_sha256"]) == ("lyon", row.cells_sha256)
    assert (stated["period_from"], stated["period_to"]) == (row.period_from.isoformat(), row.period_to.isoformat())
    assert stated["editions_sha256"] == [edition.cells_sha256 for edition in editions]
    assert stated["dossier_sha256"] == hashlib.sha256((await the_dossier(release))["document"]).hexdigest()
    await publishing.revoke(release, reason_fr="Erreur.", reason_en="Mistake.", by="Ada")
    await publishing.revoke(release, reason_fr="Autre.", reason_en="Another.", by="Bob")
    [recalled] = await list_facts(after=sealed.id)
    assert (recalled.kind, recalled.subject) == ("release_recalled", str(release))
    assert json.loads(recalled.statement)["reason_en"] == "Mistake."


async def test_a_steward_who_clicks_many_times_publishes_once(tmp_path: Path) -> None:
    """More at once than the pool has connections: who waits holds none, or all would wait for ever."""
    files = await prepare_release(tmp_path)
    release = await actions.build("lyon", **files, **PERIOD, publish=False)
    async with asyncio.timeout(120):  # only so that a deadlock ends
        await asyncio.gather(*(publishing.publish(release, by="Ada") for _ in range(25)))
    assert await fetch_value("SELECT state FROM release") == "sealed"


async def test_a_year_is_one_budget_for_every_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", "4500000")
    settings.cache_clear()

    files = await prepare_release(tmp_path)
    lyon = await queries.get_dataset("lyon")
    stated = {name: getattr(lyon, name) for name in DatasetTerms.__struct_fields__}
    await actions.define(DatasetTerms(**stated | {"code": "paris"}))
    builds = [
        actions.build(code, **files, period_from=START, period_to=at(end))
        for code, end in (("lyon", 48), ("paris", 48), ("lyon", 47), ("paris", 47))
    ]
    ended = await asyncio.gather(*builds, return_exceptions=True)
    refused = [one for one in ended if isinstance(one, Conflict)]
    assert len(refused) == 2
    assert all("no more than 4.5 is allowed" in str(one) for one in refused)
    year = await fetch_one("SELECT * FROM privacy_year")
    assert year
    assert (year["pure_micro"], year["spent_micro"], year["budget_micro"]) == (4_000_000, 4_000_000, 4_500_000)
    assert year["rho_nano"] == await fetch_value("SELECT sum(rho_nano) FROM privacy_spend")
    # What was refused spent nothing, of its dataset's budget either.
    assert await fetch_value("SELECT sum(spent_micro) FROM dataset") == 4_000_000
    assert await fetch_value("SELECT count(*) FROM release") == 2
    settings.cache_clear()


async def test_a_clock_set_to_earlier_builds_nothing_and_spends_nothing(tmp_path: Path) -> None:
    """Otherwise a consent withdrawn yesterday would count again."""
    files = await prepare_release(tmp_path)
    await consent.withdraw(7, builders.PURPOSE)
    with clock.shifted(-dt.timedelta(hours=2)), pytest.raises(Conflict, match="set the clock right"):
        await actions.build("lyon", **files, **PERIOD)
    assert await fetch_value("SELECT spent_micro FROM dataset") == 0
    assert await fetch_value("SELECT count(*) FROM release") == 0
    # A few seconds between two machines' clocks are made up for: the build starts at what was recorded last.
    with clock.shifted(-dt.timedelta(seconds=20)):
        release = await actions.build("lyon", **files, **PERIOD)
    row = await queries.get_release(release)
    assert row.started_at == await fetch_value("SELECT max(at) FROM consent_record")
    assert row.sealed_at >= row.started_at
    assert 7 not in (await queries.manifest(release)).references.tolist()


@pytest.mark.long
async def test_gaussian_days_are_built_and_charged_day_by_day(tmp_path: Path) -> None:
    files = await prepare_release(tmp_path, mechanism="gaussian", delta_exponent=6, unit="day", epsilon_micro=1_000_000)
    release = await actions.build("lyon", **files, **PERIOD)
    row = await queries.get_release(release)
    assert row.state == "sealed"
    assert row.delta_exponent == 6
    spend = await fetch_one("SELECT * FROM privacy_spend")
    assert spend
    assert (spend["units"], spend["is_pure"]) == (2, False)
    assert spend["rho_nano"] == 2 * row.rho_nano
    assert dossier.read((await the_dossier(release))["document"])["promise"]["unit"] == "one subscriber in one day"
    assert len(await fetch("SELECT * FROM coverage WHERE kind = 'band'")) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"unit": "month"},
        {"mechanism": "snapping"},
        {"mechanism": "gaussian"},
        {"delta_exponent": 6},
        {"edition_multiples": [4, 4]},
        {"edition_multiples": [1]},
        {"parent_resolution": 7},
        {"max_zones": 101},
    ],
)
async def test_promises_that_make_no_sense_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await declare(**other)
