"""The log: facts in order, days' roots, files and heads that another implementation reads, proofs that need nothing of ours."""

import asyncio
import datetime as dt
import json
import uuid
from pathlib import Path

import asyncpg
import pytest
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash

from marketplace.consent.purposes.queries import get_signed_receipt
from marketplace.core import clock
from marketplace.core.errors import NotFound
from marketplace.oversight.public_log import rules
from marketplace.oversight.public_log.actions import keep_log
from marketplace.oversight.public_log.proofs import prove_entry, prove_item
from marketplace.oversight.public_log.queries import count_entries, list_entries
from pricing.log.proofs import read_proof
from tests.oversight.builders import agree, log_folder, log_key, names_in_store, state_facts, verify
from tests.support.owner import as_owner

DAY_KINDS = 4


async def test_another_implementation_reads_the_log_and_proves_what_we_prove(tmp_path: Path) -> None:
    await state_facts(0, 300)
    receipts = await agree(7, 8)
    assert await keep_log() == DAY_KINDS + 300
    assert await keep_log() == 0
    folder, key = await log_folder(), await log_key()
    theirs = TilesReader(LocalBackend(folder))
    head = theirs.get_checkpoint()
    head.verify(Vkey.from_string(key))
    assert (head.size, head.root_hash) == (304, theirs.calculate_root_hash())
    assert {"tile/0/000", "tile/0/001.p/48", "tile/1/000.p/1", "tile/entries/001.p/48"} < await names_in_store()
    entries = await list_entries(0, 304)
    for number in (0, 255, 256, 303):
        assert theirs.get_entry(number) == entries[number].content
        proof = read_proof(await prove_entry(number))
        expected = theirs.get_inclusion_proof(number, 304)
        assert list(proof.path) == expected.node_hashes
        expected.check(leaf_hash(proof.entry), head.root_hash)
    with pytest.raises(NotFound):
        await prove_entry(304)

    with pytest.raises(NotFound):  # today is not over
        document, _ = await get_signed_receipt(uuid.UUID(receipts[0]))
        await prove_item("consent_receipts", receipts[0], document)
    await state_facts(300, 520)
    with clock.shifted(dt.timedelta(days=2)):
        assert await keep_log() == 2 * DAY_KINDS + 220
    later = theirs.get_checkpoint()
    assert later.size == 304 + 220 + 2 * DAY_KINDS
    theirs.get_consistency_proof(304, later.size).check(head.root_hash, theirs.calculate_root_hash())
    (tmp_path / "old").write_text(head.serialize())
    (tmp_path / "proof").write_text(await prove_item("consent_receipts", receipts[0], document))
    status, printed = verify(
        "--key", key, "--tiles", folder, "--checkpoint", tmp_path / "old", "--proof", tmp_path / "proof"
    )
    assert status == 0, printed
    assert "the heads of 304 and 532 entries are of one history" in printed
    assert f"{receipts[0]} is among them: consent_receipts of" in printed


async def test_a_day_has_one_leaf_a_kind_that_shows_nothing() -> None:
    await keep_log()
    await agree(*range(40))
    with clock.shifted(dt.timedelta(days=1) + rules.SETTLED):
        await keep_log()
    with clock.shifted(dt.timedelta(days=2) + rules.SETTLED):
        await keep_log()
    entries = [entry.content for entry in await list_entries(0, await count_entries())]
    assert len(entries) == 3 * DAY_KINDS
    assert len({len(entry) for entry in entries if b"consent_receipts" in entry and b'"previous":""' not in entry}) == 1
    stated = [json.loads(entry) for entry in entries]
    chain = [one for one in stated if one["kind"] == "journal_entries"]
    assert [one["previous"] for one in chain] == ["", *(one["root"] for one in chain[:-1])]


async def test_two_workers_log_each_fact_once_and_nothing_is_edited() -> None:
    await state_facts(0, 30)
    await asyncio.gather(*(asyncio.create_task(keep_log()) for _ in range(3)))
    await state_facts(30, 31)
    await keep_log()
    subjects = [entry.subject for entry in await list_entries(0, 100) if entry.kind == "auction_closed"]
    assert subjects == [f"auction {number}" for number in range(31)]
    for table in ("log_entry", "log_head", "day_tree", "day_item", "hidden_fact"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(f"TRUNCATE {table} CASCADE" if table != "hidden_fact" else "DELETE FROM hidden_fact")
