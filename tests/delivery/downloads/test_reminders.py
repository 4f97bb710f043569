"""Licensees are written, once each, that a licence ends; and, with the fact itself, of a newer release and a recall."""

import datetime as dt

import pytest

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.datasets.releases.publishing import revoke
from marketplace.delivery.downloads.reminders import write_reminders
from marketplace.delivery.outgoing.notification_actions import notify_programs
from tests.catalogue.builders import seal_week
from tests.people.builders import Browser, kinds_written, page_text
from tests.sales.builders.shop import jobs, make_buyer, make_quote, make_sale, open_shop, pay, place_order, seal_release
from tests.support.reads import fetch, fetch_one, fetch_value


@pytest.mark.usefixtures("stripe")
async def test_licensees_learn_of_a_newer_release_a_recall_and_an_end() -> None:
    release = await open_shop()
    partner = await make_buyer()
    await make_buyer("rival")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await make_sale(browser, partner, release)
        assert await write_reminders() == 0
        await seal_week(period_to=clock.now(), sealed_at=clock.now() + dt.timedelta(seconds=1))
        newer = "SELECT recipient FROM message WHERE kind = 'new_release'"
        assert [row["recipient"] for row in await fetch(newer)] == [str(partner)], "not to who bought nothing"
        bought = await fetch_one("SELECT period_from, period_to FROM release WHERE id = $1", release)
        assert bought
        await seal_release(period=(bought["period_from"], bought["period_to"]), revision=2)
        revised = "SELECT recipient FROM message WHERE kind = 'release_revised'"
        assert [row["recipient"] for row in await fetch(revised)] == [str(partner)]
        await notify_programs()
        assert await fetch_value("SELECT data ->> 'revision' FROM partner_event WHERE kind = 'release.revised'") == "2"
        with pytest.raises(ZeroDivisionError):
            async with transaction():
                await revoke(release, reason_fr="Erreur", reason_en="A mistake", by="Léa")
                assert "release_recalled" in await kinds_written(), "in the transaction of the recall"
                _ = 1 // 0
        assert "release_recalled" not in await kinds_written(), "and with it alone"
        await revoke(release, reason_fr="Erreur", reason_en="A mistake", by="Léa")
        assert await write_reminders() == 0
        await execute("UPDATE entitlement SET ends_at = now() + interval '20 days'")
        assert await write_reminders() == 1
        assert await write_reminders() == 0
        kinds = await kinds_written()
        assert {"new_release", "release_recalled", "licence_ending"} <= set(kinds)
        ours = "SELECT count(*) FROM message WHERE recipient = $1 AND kind = ANY ($2)"
        assert await fetch_value(ours, str(partner), ["new_release", "release_recalled", "licence_ending"]) == 3
        shown = page_text(await browser.get("/en/inbox"))
        assert "A release that you bought was called back" in shown


@pytest.mark.usefixtures("stripe")
async def test_who_pays_after_a_recall_learns_of_it_then_and_once() -> None:
    release, partner = await open_shop(), await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await make_sale(browser, partner, release)
        late = await make_quote(partner, release)
        page = (await place_order(browser, late)).headers["location"]
        await revoke(release, reason_fr="Erreur", reason_en="A mistake", by="Léa")
        notified = """SELECT order_lot.quote = $1 AS is_late FROM message
                  JOIN order_lot ON order_lot.purchase_order::text = message.details ->> 'id'
                  WHERE message.kind = 'release_recalled' AND message.recipient = $2 ORDER BY message.created_at"""
        assert [row["is_late"] for row in await fetch(notified, late, str(partner))] == [False]
        await pay(page)
        for _ in range(2):
            await jobs()
        assert [row["is_late"] for row in await fetch(notified, late, str(partner))] == [False, True]
        await notify_programs()
        assert await fetch_value("SELECT count(*) FROM partner_event WHERE kind = 'release.recalled'") == 2
