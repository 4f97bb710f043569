"""Five frauds of an operator who holds every key, each found offline by somebody who kept what they were given."""

import base64
import datetime as dt
import hashlib
import json
import secrets
import shutil
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import rfc8785

from marketplace.catalogue.offers.actions import quote
from marketplace.catalogue.offers.pages import signed as signed_quote
from marketplace.catalogue.offers.queries import SignedQuote, get_quote
from marketplace.consent.purposes.queries import get_signed_receipt
from marketplace.core import clock, object_store
from marketplace.core.database import transaction
from marketplace.core.facts.actions import state_fact, state_hidden
from marketplace.core.settings import settings
from marketplace.core.signing import public_key, sign
from marketplace.oversight.public_log import rules
from marketplace.oversight.public_log.actions import keep_log
from marketplace.oversight.public_log.checking import check_upload
from marketplace.oversight.public_log.proofs import prove_entry, prove_item, prove_price
from marketplace.oversight.public_log.queries import find_entry, list_entries, list_hidden
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import receipts
from marketplace.sales.auctions.actions import cancel, place_sealed_bid
from marketplace.sales.auctions.queries import get_transcript
from pricing import order as pricing
from pricing.auctions.transcript import Transcript, award_of, from_json, leaves, to_json
from pricing.log.notes import read_checkpoint, read_key
from pricing.log.proofs import Proof, read_entry, read_proof, write_proof
from pricing.log.tiles import Tiles, grown
from pricing.log.verdicts import check_transcript
from pricing.merkle import inclusion_path, merkle_root
from tests.catalogue import builders as shop
from tests.oversight.builders import agree, log_folder, log_key, state_facts, upload_proof, verify
from tests.people.builders import Browser
from tests.sales.builders.auctions import make_bidder, move_end, open_auction
from tests.support.owner import as_owner


def forged_quote(document: bytes, *, law: dict[str, Any] | None = None, **terms: Any) -> dict[str, str]:
    """Return a quote of before as the operator would sign it today, with other terms and the price that they give."""
    stated = json.loads(document)
    known = pricing.from_canonical(rfc8785.dumps(stated["price"]))
    lots = [lot._replace(terms=replace(lot.terms, **terms)) for lot in known.lots]
    priced = pricing.price(replace(known.law, **law or {}), lots)
    stated["price"] = json.loads(pricing.canonical(priced))
    changed = json.dumps(stated, sort_keys=True, separators=(",", ":")).encode()
    return signed_quote(quoted(changed))


def quoted(document: bytes) -> Any:
    fields = dict.fromkeys(SignedQuote.__struct_fields__)
    return SignedQuote(**fields | {"document": document, "signature": sign(document, settings().signing_key)})


def without_best_bid(whole: Transcript, **terms: int) -> Transcript:
    """Return a transcript that is flawless by itself: one bid fewer, or with other terms as well."""
    stated = dict(whole.terms) | terms
    entries, reveals = (whole.entries, whole.reveals) if terms else (whole.entries[1:], whole.reveals[1:])
    root = merkle_root(leaves(whole.auction, whole.kind, stated, entries))
    award = award_of(whole.kind, stated, [one for one in reveals if one])
    return Transcript(whole.auction, whole.kind, stated, entries, reveals, root, award)


async def transcript_and_receipts() -> tuple[bytes, list[str]]:
    """Return an auction's transcript and its bidders' receipts."""
    auction, kept = await open_auction("limited", reserve_minor=15_000), []
    for amount in (90_000, 50_000):
        packages = [([0], amount)]
        answer = await place_sealed_bid(
            (await make_bidder()).actor, auction, bid=uuid.uuid4(), nonce=secrets.token_hex(32), packages=packages
        )
        kept.append(json.dumps(receipts.signed(answer)))
    await move_end(auction)
    await ending.close_auctions()
    return await get_transcript(auction), kept


async def seal_and_state() -> tuple[uuid.UUID, bytes]:
    """Return a release and its whole file, stated for the log as publishing does."""
    await shop.open_catalogue()
    release = await shop.seal_week()
    file = await object_store.get(object_store.cells_key(release))
    period = {"dataset": "lyon", "period_from": "2026-11-01", "period_to": "2026-11-08"}
    digests = {"cells_sha256": hashlib.sha256(file).hexdigest(), "editions_sha256": ["ab" * 32]}
    async with transaction():
        await state_fact("release_sealed", release, {**period, **digests})
    return release, file


async def test_five_frauds_get_five_verdicts_offline(tmp_path: Path) -> None:
    release, file = await seal_and_state()
    row = await get_quote(await quote(buyer := await shop.make_vetted_partner(), release, quote_id=uuid.uuid4()), buyer)
    transcript, bids = await transcript_and_receipts()
    kept, dropped = await agree(7, 8)
    await keep_log()
    early = (await log_folder() / "checkpoint").read_text()
    with clock.shifted(dt.timedelta(days=1) + rules.SETTLED):
        await keep_log()
    folder, key = await log_folder(), await log_key()
    ours = ("--key", key, "--signing-key", public_key(settings().signing_key).hex())
    entry = await find_entry("release_sealed", str(release))
    assert entry

    def put(name: str, content: bytes | str) -> Path:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    consents = {one: await get_signed_receipt(uuid.UUID(one)) for one in (kept, dropped)}
    price = put("price.tlog-proof", await prove_price("price_inputs", row.document))
    consent = put("consent.tlog-proof", await prove_item("consent_receipts", kept, consents[kept][0]))
    sealed = put("release.tlog-proof", await prove_entry(entry.number))
    receipt = {one: put(f"{one}.json", json.dumps(downloaded(*consents[one]))) for one in (kept, dropped)}
    cells, of_bids = put("cells.parquet", file), [put(f"bid-{n}.json", text) for n, text in enumerate(bids)]

    # All is as it should be: one look at everything, and at each proof without the tiles.
    status, printed = verify(
        *(*ours, "--tiles", folder, "--checkpoint", put("early", early), "--release", cells, "--proof", price),
        *("--quote", put("quote.json", json.dumps(signed_quote(row)))),
        *("--transcript", put("transcript.json", transcript), "--receipt", of_bids[0], "--receipt", of_bids[1]),
        *("--proof", consent, "--receipt", receipt[kept], "--proof", sealed),
    )
    assert status == 0, printed
    assert printed.count("shown: ") >= 12
    assert verify("--key", key, "--proof", sealed, "--release", cells)[0] == 0

    def differs(sentence: str, *arguments: object) -> None:
        status, printed = verify(*ours, *arguments)
        assert (status, sentence in printed) == (1, True), printed

    # 1: a release replaced.
    differs("is no release that was sealed", "--proof", sealed, "--release", put("other.parquet", file + b"x"))
    differs("is no release that was sealed", "--tiles", folder, "--release", put("other.parquet", file + b"x"))
    # 2: a price back-dated.
    for changed, word in (
        ({"sheet": "ab" * 32}, "says sheet"),
        ({"worth_micro": 1_000}, "says worth_micro 1000"),
        ({"half_life_hours": 1}, "says half_life_hours 1"),
        ({"rights": {"internal": 1, "publish": 2, "resell": 3}}, "says rights"),
        ({"demand": {"all": 5_000}}, "says demand_basis_points 5000"),
        ({"law": {"least_minor": 1}}, "says least_minor 1"),
        ({"law": {"volume": ((0, 5_000),)}}, "says volume"),
    ):
        forged = put("forged.json", json.dumps(forged_quote(row.document, **changed)))
        differs(word, "--proof", price, "--quote", forged)
        differs("it was back-dated", "--proof", price, "--quote", forged)
    # 3: an auction's terms swapped.
    whole = from_json(transcript.decode())
    swapped = put("swapped.json", to_json(without_best_bid(whole, reserve_minor=8_999)))
    differs("its terms were changed after it was opened", "--tiles", folder, "--transcript", swapped)
    # 4: a bid dropped, and a receipt dropped.
    shorter = put("shorter.json", to_json(without_best_bid(whole)))
    differs("its bids are not those that the root at close", "--tiles", folder, "--transcript", shorter)
    differs("was dropped before the root", "--tiles", folder, "--transcript", shorter, "--receipt", of_bids[0])
    made_up = read_proof(consent.read_text())
    assert made_up.item
    item = replace(made_up.item, source=dropped, document=consents[dropped][0])
    differs("was left out or changed", "--proof", put("made-up", write_proof(replace(made_up, item=item))))
    differs("it was dropped or changed", "--proof", consent, "--receipt", receipt[dropped])
    # 5: two histories.
    written = [one.content for one in await list_entries(0, 10)]
    files = grown(lambda _: None, 0, [written[0].replace(b'"kind"', b'"kinD"'), *written[1:]])
    root = Tiles(files.get, 10).root()
    second = put("second", rules.signed_head(key.split("+")[0], 10, root, settings().log_key))
    differs("two histories", "--tiles", folder, "--checkpoint", second)

    # What cannot be shown is said, and what is unsigned or broken shows.
    assert "whether 10 entries became" in verify("--key", key, "--checkpoint", second, "--proof", sealed)[1]
    assert "give the proof of them" in verify("--key", key, "--proof", sealed, "--quote", forged)[1]
    assert "give its proof" in verify("--key", key, "--proof", sealed, "--receipt", receipt[kept])[1]
    assert "give the transcript" in verify("--key", key, "--proof", sealed, "--receipt", of_bids[0])[1]
    assert "not in the entries given" in verify("--key", key, "--proof", sealed, "--transcript", swapped)[1]
    differs("is signed with another key", "--proof", consent, "--receipt", resigned(receipt[kept], tmp_path))
    differs(
        "is of another day or offer", "--proof", price, "--quote", put("q", json.dumps(dated_earlier(row.document)))
    )
    other = f"{key.split('+')[0]}"
    assert verify("--key", rules.key_of(other, "ab" * 32), "--proof", sealed)[0] == 1
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    for path in (broken / "tile/entries").rglob("*.p/*"):
        path.write_bytes(path.read_bytes().replace(b"release_sealed", b"release_seaLed"))
    differs("is not the one under the log's root", "--tiles", broken)
    for wrong in (put("empty", ""), put("json", "{}"), put("text", "c2sp.org/tlog-proof@v1\n\n")):
        assert verify("--key", key, "--proof", wrong)[0] == 2
        assert verify("--key", key, "--checkpoint", wrong)[0] == 2
        assert verify("--key", key, "--proof", sealed, "--receipt", wrong)[0] == 2
    assert verify("--key", key)[0] == 2


def downloaded(document: bytes, signature: bytes) -> dict[str, str]:
    """Return a receipt of consent as a subscriber downloads it."""
    key = public_key(settings().signing_key)
    parts = {"canonical": document, "signature": signature, "public_key": key}
    return {name: base64.b64encode(part).decode() for name, part in parts.items()}


def resigned(path: Path, folder: Path) -> Path:
    """Return a receipt that somebody else signed."""
    stated = json.loads(path.read_text())
    document = base64.b64decode(stated["canonical"])
    stated["signature"] = base64.b64encode(sign(document, "ab" * 32)).decode()
    stated["public_key"] = base64.b64encode(public_key("ab" * 32)).decode()
    (folder / "resigned.json").write_text(json.dumps(stated))
    return folder / "resigned.json"


def dated_earlier(document: bytes) -> dict[str, str]:
    """Return a quote as if it had been signed a year earlier."""
    stated = json.loads(document)
    stated["quoted_at"] = stated["quoted_at"].replace("2026", "2025")
    return signed_quote(quoted(json.dumps(stated, sort_keys=True, separators=(",", ":")).encode()))


async def test_what_was_stated_late_elsewhere_or_out_of_order_shows(tmp_path: Path) -> None:
    """Inputs logged once their day was over, another history's proof, a receipt of other terms, a root after its bids."""
    release, _ = await seal_and_state()
    row = await get_quote(await quote(buyer := await shop.make_vetted_partner(), release, quote_id=uuid.uuid4()), buyer)
    transcript, bids = await transcript_and_receipts()
    await keep_log()
    folder, key, early = await log_folder(), await log_key(), tmp_path / "early"
    ours = ("--key", key, "--signing-key", public_key(settings().signing_key).hex())
    shutil.copytree(folder, early)
    with clock.shifted(dt.timedelta(days=1) + rules.SETTLED):
        await keep_log()
        known = (await list_hidden("price_inputs", json.loads(row.document)["offer"]))[-1]
        late = json.loads(known.document) | {"worth_micro": 120_000}
        async with transaction():
            await state_hidden("price_inputs", f"{late['offer']} {late['day']}", late)
    with clock.shifted(dt.timedelta(days=2) + rules.SETTLED):
        await keep_log()

    def put(name: str, content: bytes | str) -> Path:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / name

    def differs(sentence: str, *arguments: object) -> None:
        status, printed = verify(*ours, *arguments)
        assert (status, sentence in printed) == (1, True), printed

    # The back-dated quote agrees with inputs that the log does have, of that day by their own word.
    forged = forged_quote(row.document, worth_micro=120_000)
    proof = put("late.tlog-proof", await prove_price("price_inputs", forged["document"].encode()))
    differs("they were back-dated", "--proof", proof, "--quote", put("forged.json", json.dumps(forged)))
    keys = [read_key(key)]
    assert check_upload(proof.read_bytes(), keys, []).is_late
    assert not check_upload(proof.read_bytes(), keys, []).is_valid
    # Somebody's copy of the files is older than a proof: nothing differs, and it is said what that does not show.
    price = put("price.tlog-proof", await prove_price("price_inputs", row.document))
    bought = put("quote.json", json.dumps(signed_quote(row)))
    assert check_upload(price.read_bytes(), keys, []).is_valid
    status, printed = verify("--key", key, "--tiles", early, "--proof", price, "--quote", bought)
    assert (status, "give the tiles" in printed, "give it as published" in printed) == (0, True, True), printed
    # A proof of another history, of another size: its entry is not the one at that place.
    written = [one.content for one in await list_entries(0, 12)]
    opened = next(number for number, entry in enumerate(written) if b"auction_opened" in entry)
    other = [
        *written[:opened],
        written[opened].replace(b'"kind":"limited"', b'"kind":"bundle"'),
        *written[opened + 1 :],
    ]
    files = grown(lambda _: None, 0, other)
    tiles = Tiles(files.get, len(other))
    head = read_checkpoint(rules.signed_head(key.split("+")[0], len(other), tiles.root(), settings().log_key))
    path = inclusion_path(tiles.hash_of, opened, len(other))
    shown = put("other.tlog-proof", write_proof(Proof(opened, path, head, other[opened])))
    differs(f"two histories: entry {opened} is auction_opened", "--tiles", early, "--proof", shown)
    # A bidder has the receipt alone, and the proof of the terms.
    terms = put("terms.tlog-proof", await prove_entry(opened))
    status, printed = verify(*ours, "--proof", terms, "--receipt", put("bid.json", bids[0]))
    assert (status, "received under the terms that the log has" in printed) == (0, True), printed
    differs("under other terms", "--proof", terms, "--receipt", put("bid-2.json", of_terms(bids[0], "ab" * 32)))
    strange = put("bid-3.json", of_terms(bids[0], "ab" * 32, signing_key="ab" * 32))
    differs("is not signed by the operator", "--proof", terms, "--receipt", strange)
    # The root is logged once the bids are open, or the terms after the root.
    entries = {number: read_entry(entry) for number, entry in enumerate(written)}
    whole, digest = from_json(transcript.decode()), hashlib.sha256(transcript).hexdigest()
    assert not check_transcript(whole, digest, entries).faults
    [fault] = check_transcript(whole, digest, {-number: entry for number, entry in entries.items()}).faults[:1]
    assert "auction_opened is entry" in fault
    # A log of statements that lack their parts is said, and is no end of the program.
    for broken in ({"kind": "release_sealed"}, {"kind": "release_sealed", "subject": "x", "statement": {}}):
        files = grown(lambda _: None, 0, [json.dumps(broken).encode()])
        root = Tiles(files.get, 1).root()
        for name, content in {
            **files,
            "checkpoint": rules.signed_head(key.split("+")[0], 1, root, settings().log_key),
        }.items():
            (tmp_path / "broken" / name).parent.mkdir(parents=True, exist_ok=True)
            put(f"broken/{name}", content)
        assert verify(*ours, "--tiles", tmp_path / "broken", "--release", bought)[0] in (1, 2)


async def test_bids_dropped_with_their_whole_auction_show(tmp_path: Path) -> None:
    """An operator drops every bid beneath the triggers and cancels the auction; of another one it never says another word."""
    auction, quiet = await open_auction("limited"), await open_auction("ascending")
    packages = [([0], 9_000)]
    bidder, nonce = await make_bidder(), secrets.token_hex(32)
    answer = await place_sealed_bid(bidder.actor, auction, bid=uuid.uuid4(), nonce=nonce, packages=packages)
    kept = tmp_path / "bid.json"
    kept.write_text(json.dumps(receipts.signed(answer)))
    for table in ("bid", "auction_lead"):
        await as_owner(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    await as_owner("DELETE FROM bid")
    await as_owner("UPDATE auction_lead SET bid_count = 0")
    for table in ("bid", "auction_lead"):
        await as_owner(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    await cancel(auction, "Nobody bids.", by="Steward")
    with clock.shifted(dt.timedelta(days=30)):
        await state_facts(0, 1)
        await keep_log()
    status, printed = verify("--key", await log_key(), "--tiles", await log_folder(), "--receipt", kept)
    assert (status, "before any bid, entry" in printed) == (1, True), printed
    assert f"what became of auction {quiet}, opened by entry" in printed
    assert f"what became of auction {auction}" not in printed
    async with Browser() as browser:
        assert "Something contradicts this receipt" in await upload_proof(browser, kept.read_bytes())


def of_terms(receipt: str, terms: str, *, signing_key: str = "") -> str:
    """Return a bid's receipt as if it named other terms, signed again."""
    kept = json.loads(receipt)
    stated = json.loads(base64.b64decode(kept["canonical"])) | {"terms": terms}
    document, key = (
        json.dumps(stated, sort_keys=True, separators=(",", ":")).encode(),
        signing_key or settings().signing_key,
    )
    made = {
        "canonical": base64.b64encode(document).decode(),
        "signature": base64.b64encode(sign(document, key)).decode(),
    }
    return json.dumps({**made, "public_key": public_key(key).hex()})
