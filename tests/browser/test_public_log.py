"""A proof of the public log, checked by the page's own script in Chromium; and the page itself, looked at with care."""

import datetime as dt
import json
import uuid
from pathlib import Path

import httpx
import pytest

from marketplace.consent.purposes.queries import get_signed_receipt
from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.facts.actions import state_hidden
from marketplace.oversight.public_log import rules
from marketplace.oversight.public_log.actions import keep_log
from marketplace.oversight.public_log.proofs import prove_entry, prove_item
from marketplace.oversight.public_log.queries import list_hidden
from marketplace.sales.auctions import award as ending
from tests.oversight.builders import agree, state_facts
from tests.sales.builders.auctions import make_bidder, move_end, open_auction
from tests.support.browsing import open_visit
from tests.support.market import running


@pytest.mark.deep
async def test_a_proof_is_checked_in_the_browser(chromium: str, tmp_path: Path) -> None:
    async with running() as market:
        await state_facts(0, 300)
        [receipt] = await agree(7)
        with clock.shifted(dt.timedelta(days=1) + rules.SETTLED):
            await keep_log()
        async with transaction():
            await state_hidden("price_inputs", "lyon", {"offer": "lyon", "day": "2025-01-01"})
        with clock.shifted(dt.timedelta(days=2) + rules.SETTLED):
            await keep_log()
        [price] = await list_hidden("price_inputs", "lyon")
        late = await prove_item("price_inputs", price.source, price.document.encode())
        document, _ = await get_signed_receipt(uuid.UUID(receipt))
        mine, entry = await prove_item("consent_receipts", receipt, document), await prove_entry(299)
        other = await prove_entry(1)
        index, moved = (next(line for line in one.split("\n") if line.startswith("index")) for one in (entry, other))
        files = {
            "mine": (mine, "Consent receipts of a day"),
            "entry": (entry, "Bids of a closed auction: auction 299"),
            "moved": (entry.replace(index, moved), "The entry is not under that head"),
            "forged": (entry.replace("\n308\n", "\n309\n"), "key did not sign this head"),
            "late": (late, "it was back-dated"),
            "garbage": ("nothing", "This file is no proof of the log"),
        }
        async with open_visit(chromium, market) as visit:
            guest = await visit.guest()
            await guest.go("/transparency")
            for name, (content, sentence) in files.items():
                (tmp_path / name).write_text(content)
                await guest.page.set_input_files("#proof", tmp_path / name)
                await guest.page.get_by_role("button", name="Check the proof").click()
                await guest.read(sentence)
                if name in {"mine", "entry"}:
                    await guest.read("The proof holds.")
            await guest.look()


@pytest.mark.deep
async def test_a_bids_receipt_is_checked_in_the_browser(chromium: str, tmp_path: Path) -> None:
    async with running() as market:
        auction = await open_auction()
        receipts = []
        for maximum in (5_000, 4_000, 9_000):
            bidder = await make_bidder()
            path = f"{market.base}/api/v1/auctions/{auction}/bids/{uuid.uuid4()}"
            async with httpx.AsyncClient() as client:
                wanted = {"currency": "EUR", "maximum_minor": maximum}
                receipts.append((await client.put(path, json=wanted, headers=bidder.headers)).json()["receipt"])
        await keep_log()
        refused = receipts[1]["document"]
        assert refused["answer"] == "outbid_at_once"
        forged = receipts[0] | {"canonical": receipts[1]["canonical"]}
        async with open_visit(chromium, market) as visit:
            guest = await visit.guest()
            await guest.go("/transparency")

            async def check(kept: object, *sentences: str) -> None:
                (tmp_path / "receipt.json").write_text(json.dumps(kept))
                await guest.page.set_input_files("#proof", tmp_path / "receipt.json")
                await guest.page.get_by_role("button", name="Check the proof").click()
                for sentence in sentences:
                    await guest.read(sentence)

            await check(
                receipts[0], "Nothing contradicts", "Its terms are those in the log", "once the auction is awarded"
            )
            await check(forged, "The operator did not sign this receipt", "Something contradicts")
            await move_end(auction)
            await ending.close_auctions()
            await keep_log()
            for kept in receipts:
                await check(kept, "The operator signed this receipt", "Your bid is in the transcript")
            await guest.look()
            await check({"canonical": "e30="}, "This file is no proof of the log")
