"""A proof of the public log, checked by the page's own script in Chromium; and the page itself, looked at with care."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest

from marketplace import clock
from marketplace.consent.queries import get_signed_receipt
from marketplace.transparency.actions import keep_log
from marketplace.transparency.proofs import prove_entry, prove_item
from tests.marketplace.transparency.logs import agree, state_facts
from tests.support.browsing import open_visit
from tests.support.market import running

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.deep
async def test_a_proof_is_checked_in_the_browser(chromium: str, tmp_path: Path) -> None:
    async with running() as market:
        await state_facts(0, 300)
        [receipt] = await agree(7)
        with clock.shifted(dt.timedelta(days=1)):
            await keep_log()
        document, _ = await get_signed_receipt(uuid.UUID(receipt))
        mine, entry = await prove_item("consent_receipts", receipt, document), await prove_entry(299)
        other = await prove_entry(1)
        index, moved = (next(line for line in one.split("\n") if line.startswith("index")) for one in (entry, other))
        files = {
            "mine": (mine, "Consent receipts of a day"),
            "entry": (entry, "Bids of a closed auction: auction 299"),
            "moved": (entry.replace(index, moved), "The entry is not under that head"),
            "forged": (entry.replace("\n304\n", "\n305\n"), "key did not sign this head"),
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
