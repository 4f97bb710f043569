"""Licensees are written, once each, that a newer release is on sale, that theirs was called back, and that a licence ends."""

from __future__ import annotations

import datetime as dt
from typing import Any

from marketplace import clock
from marketplace.database import execute
from marketplace.datasets.publishing import revoke
from marketplace.purchases.reminders import write_reminders
from tests.marketplace.catalogue.shop import make_release
from tests.marketplace.identity.site import Browser, text_of
from tests.marketplace.messages.written import kinds_written
from tests.marketplace.purchases.shop import make_buyer, make_sale, open_shop
from tests.support.reads import fetch_value


async def test_licensees_learn_of_a_newer_release_a_recall_and_an_end(stripe: Any) -> None:
    del stripe
    release = await open_shop()
    partner = await make_buyer()
    await make_buyer("rival")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await make_sale(browser, partner, release)
        assert await write_reminders() == 0
        await make_release(period_to=clock.now(), sealed_at=clock.now() + dt.timedelta(seconds=1))
        assert await write_reminders() == 1
        await revoke(release, reason_fr="Erreur", reason_en="A mistake", by="Léa")
        assert await write_reminders() == 1
        await execute("UPDATE entitlement SET ends_at = now() + interval '20 days'")
        assert await write_reminders() == 1
        assert await write_reminders() == 0
        kinds = await kinds_written()
        assert {"new_release", "release_recalled", "licence_ending"} <= set(kinds)
        ours = "SELECT count(*) FROM message WHERE recipient = $1 AND kind = ANY ($2)"
        assert await fetch_value(ours, str(partner), ["new_release", "release_recalled", "licence_ending"]) == 3
        shown = text_of(await browser.get("/en/inbox"))
        assert "A release that you bought was called back" in shown
