"""The log's pages and files: what strangers, subscribers and partners see of it, and what is checked for them."""

import base64
import datetime as dt
import json
import uuid
from typing import Any

import pytest
import rfc8785

from marketplace.catalogue.offers.actions import quote
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import NotFound
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.oversight import invariants
from marketplace.oversight.public_log import rules
from marketplace.oversight.public_log.actions import keep_log
from marketplace.oversight.public_log.day_kinds import PRICES
from marketplace.oversight.public_log.proofs import prove_price
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.audit_trail.chain import link_actions
from marketplace.people.identity.guards import begin_session
from marketplace.sales.auctions import award as ending
from pricing.log.proofs import read_proof
from tests.catalogue import builders as shop
from tests.oversight.builders import LOG_PAGE, agree, state_facts, upload_proof
from tests.people.builders import Browser, make_staff, page_text
from tests.sales.builders.auctions import make_bidder, move_end, open_auction
from tests.support.owner import as_owner
from tests.support.reads import fetch_value


async def test_a_bids_receipt_is_held_against_the_log_and_the_transcript() -> None:
    """Before the award and after it; without scripts the site checks it. One that was dropped, or is not ours, is said."""
    auction, bidder = await open_auction(), await make_bidder()
    async with Browser() as browser:

        async def bid(maximum: int, headers: dict[str, str]) -> dict[str, Any]:
            path = f"/api/v1/auctions/{auction}/bids/{uuid.uuid4()}"
            answer = await browser.client.put(path, json={"currency": "EUR", "maximum_minor": maximum}, headers=headers)
            kept: dict[str, Any] = answer.json()["receipt"]
            return kept

        first, low = await bid(5_000, bidder.headers), await bid(1_000, (await make_bidder()).headers)
        late = first | {"canonical": low["canonical"]}
        shown = await upload_proof(browser, json.dumps(first).encode())
        assert "does not have its auction’s terms yet" in shown
        await keep_log()
        shown = await upload_proof(browser, json.dumps(first).encode())
        assert "Nothing contradicts this receipt" in shown
        assert "once the auction is awarded" in shown
        assert "The operator did not sign this receipt" in await upload_proof(browser, json.dumps(late).encode())
        await move_end(auction)
        await ending.close(auction)
        await keep_log()
        assert "once the auction is awarded" in await upload_proof(browser, json.dumps(first).encode())
        await ending.award(auction)
        for kept in (first, low):
            assert "Your bid is in the transcript" in await upload_proof(browser, json.dumps(kept).encode())
        proofs = (await browser.get(f"/en/transparency/auctions/{auction}")).json()["proofs"]
        assert [read_proof(one).content()["kind"] for one in proofs] == ["auction_opened", "auction_closed"]
        document = (await browser.get(f"/api/v1/auctions/{auction}/transcript")).json()
        document["entries"], document["reveals"] = document["entries"][1:], document["reveals"][1:]
        await as_owner("ALTER TABLE auction_transcript DISABLE TRIGGER append_only")
        await as_owner("UPDATE auction_transcript SET document = $1", json.dumps(document).encode())
        await as_owner("ALTER TABLE auction_transcript ENABLE TRIGGER append_only")
        assert "it was dropped or changed" in await upload_proof(browser, json.dumps(first).encode())
        strange = low | {"canonical": base64.b64encode(b'{"kind":"bid receipt"}').decode()}
        assert "no proof of the log" in await upload_proof(browser, json.dumps(strange).encode())


async def test_strangers_see_entries_get_files_and_check_proofs() -> None:
    async with Browser() as browser:
        assert "Nothing is published yet" in (await browser.get(LOG_PAGE)).text
        await state_facts(0, 3)
        await keep_log()
        page = (await browser.get(LOG_PAGE)).text
        assert "auction 2" in page
        assert "This log has no witness" in page
        assert "Registre public" in (await browser.get("/fr/transparency?about=auction+1")).text
        head = await browser.get("/log/1/checkpoint")
        assert head.headers["content-type"] == "text/plain; charset=utf-8"
        assert head.headers["cache-control"] == "public, max-age=2"
        assert head.text.startswith("127.0.0.1:8000/log/1\n7\n")
        tile = await browser.get("/log/1/tile/entries/000.p/7")
        assert (tile.status_code, tile.headers["content-type"]) == (200, "application/octet-stream")
        assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
        for wrong in (
            "1/tile/0/000.p/9",
            "1/tile/64/000",
            "1/tile/0/../../x",
            "2/checkpoint",
            "X/checkpoint",
            "1/seen",
        ):
            assert (await browser.get(f"/log/{wrong}")).status_code == 404, wrong
        proof = await browser.get("/en/transparency/entries/1")
        assert read_proof(proof.text).content()["subject"] == "auction 1"
        assert (await browser.get("/en/transparency/entries/99")).status_code == 404
        assert (await browser.get(f"/en/transparency/entries/{1 << 60}")).status_code == 404
        valid = await upload_proof(browser, proof.content)
        assert "The proof holds." in valid
        assert "auction 1" in valid
        changed = await upload_proof(browser, proof.content.replace(b"\n7\n", b"\n8\n"))
        assert "The proof does not hold" in changed
        assert "key did not sign this head" in changed
        for garbage in (b"", b"\xff", b"c2sp.org/tlog-proof@v1\n"):
            assert "no proof of the log" in await upload_proof(browser, garbage)


async def test_subscribers_and_partners_get_the_proofs_of_what_is_theirs() -> None:
    await shop.open_catalogue()
    receipts = await agree(7, 8)
    await execute(
        """INSERT INTO person (id, email, name, password_hash, language, subscriber, created_at)
           VALUES ($1, 'lucie@line.example', 'Lucie', 'x', 'en', 7, now())""",
        person := uuid.uuid4(),
    )
    release = await shop.seal_week()
    buyer = await shop.make_vetted_partner()
    quoted = await quote(buyer, release, quote_id=uuid.uuid4())
    async with Browser() as browser:
        browser.client.cookies.set("session", (await begin_session(person)).value or "")
        assert f"/en/transparency/receipts/{receipts[0]}" in (await browser.get(LOG_PAGE)).text
        assert (await browser.get(f"/en/transparency/receipts/{receipts[0]}")).status_code == 404, "its day is not over"
        with clock.shifted(dt.timedelta(days=1) + rules.SETTLED):
            await keep_log()
        proof = await browser.get(f"/en/transparency/receipts/{receipts[0]}")
        assert json.loads(read_proof(proof.text).item.document)["receipt"] == receipts[0]  # type: ignore[union-attr]
        assert "The proof holds." in await upload_proof(browser, proof.content)
        assert (await browser.get(f"/en/transparency/receipts/{receipts[1]}")).status_code == 404, "another line's"
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        assert f"/en/transparency/quotes/{quoted}" in (await browser.get(LOG_PAGE)).text
        proof = await browser.get(f"/en/transparency/quotes/{quoted}")
        assert proof.status_code == 200, proof.text[-500:]
        assert json.loads(read_proof(proof.text).item.document)["sheet"]  # type: ignore[union-attr]


async def test_a_quote_whose_price_was_bid_has_no_inputs_in_the_log() -> None:
    document = rfc8785.dumps({"auction": "1", "amount_minor": 7})
    with pytest.raises(NotFound, match="this price was bid"):
        await prove_price(PRICES, document)


async def test_auditors_get_the_proofs_of_books_and_trail() -> None:
    actor = await make_staff("Odile", "auditor")
    assert actor.person
    await record("sale", "o1", at=clock.now(), text="Sale", postings=[(chart.PARTNERS, chart.LICENCES_SOLD, 500)])
    await note_action(actor, "looked_around", "books")
    await link_actions()
    entry, logged = (
        await fetch_value("SELECT max(id) FROM journal_entry"),
        await fetch_value("SELECT hash FROM trail_link"),
    )
    async with Browser() as browser:
        browser.client.cookies.set("session", (await begin_session(actor.person)).value or "")
        assert (await browser.get(f"/en/transparency/books?number={entry}")).status_code == 404, "its day is not over"
        with clock.shifted(dt.timedelta(days=1) + rules.SETTLED):
            await keep_log()
        for address, content in ((f"books?number={entry}", b"o1"), ("trail?number=1", b"hash")):
            proof = await browser.get(f"/en/transparency/{address}")
            assert proof.status_code == 200, proof.text[-500:]
            item = read_proof(proof.text).item
            assert item
            assert content in item.document
            assert "The proof holds." in await upload_proof(browser, proof.content)
        for gone in ("books", "trail?number=99"):
            assert (await browser.get(f"/en/transparency/{gone}")).status_code == 404
        assert "audit trail up to line 1" in (await browser.get(LOG_PAGE)).text
        for table, change in (("trail_link", "hash = repeat('a', 64)"), ("journal_entry", "text = 'Sold'")):
            await as_owner(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
            await as_owner(f"UPDATE {table} SET {change}")
        for address in ("trail?number=1", f"books?number={entry}"):
            answer = await browser.get(f"/en/transparency/{address}")
            assert (answer.status_code, "This was changed" in page_text(answer)) == (409, True), address
    [broken] = [one for one in await invariants.broken() if "public log was given" in str(one)]
    assert "'1'" in str(broken), "the link is named"
    await as_owner("UPDATE trail_link SET hash = $1", logged)


async def test_a_rewritten_log_hands_out_no_proof_that_does_not_hold() -> None:
    actor = await make_staff("Odile", "auditor")
    assert actor.person
    await note_action(actor, "looked_around", "books")
    await link_actions()
    with clock.shifted(dt.timedelta(days=1) + rules.SETTLED):
        await keep_log()
    entry = await fetch_value("SELECT number FROM log_entry WHERE kind = 'audit_trail'")
    kept = await fetch_value("SELECT content FROM log_entry WHERE number = $1", entry)
    link, item = (
        await fetch_value("SELECT hash FROM trail_link"),
        await fetch_value("SELECT digest FROM day_item WHERE kind = 'audit_trail'"),
    )
    for table in ("trail_link", "day_item", "log_entry"):
        await as_owner(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
    forged = """sha256(convert_to(jsonb_build_object('number', number, 'hash', hash)::text, 'UTF8'))"""
    try:
        async with Browser() as browser:
            browser.client.cookies.set("session", (await begin_session(actor.person)).value or "")
            assert (await browser.get("/en/transparency/trail?number=1")).status_code == 200
            await as_owner("UPDATE trail_link SET hash = repeat('a', 64)")
            await as_owner(f"UPDATE day_item SET digest = (SELECT {forged} FROM trail_link) WHERE kind = 'audit_trail'")
            answer = await browser.get("/en/transparency/trail?number=1")
            assert (answer.status_code, "This was changed" in page_text(answer)) == (409, True), (
                "the day's root differs"
            )
            await as_owner("UPDATE log_entry SET content = $1 WHERE number = $2", kept.replace(b"root", b"rOOt"), entry)
            answer = await browser.get(f"/en/transparency/entries/{entry}")
            assert (answer.status_code, "This was changed" in page_text(answer)) == (409, True), (
                "the log's files differ"
            )
    finally:
        await as_owner("UPDATE trail_link SET hash = $1", link)
        await as_owner("UPDATE day_item SET digest = $1 WHERE kind = 'audit_trail'", item)
        await as_owner("UPDATE log_entry SET content = $1 WHERE number = $2", kept, entry)
        for table in ("trail_link", "day_item", "log_entry"):
            await as_owner(f"ALTER TABLE {table} ENABLE TRIGGER append_only")
