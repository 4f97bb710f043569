"""Statements: a subscriber's year adds up to the millionth; a partner reads pool, rates and rounded people, never who."""

import datetime as dt
import re
import uuid
from io import BytesIO

import httpx
from pypdf import PdfReader

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.queries import BalanceRow
from marketplace.subscribers.earnings.statements import get_year
from tests.people.builders import visiting, words
from tests.subscribers.builders import sales
from tests.support.pdf import check_tagged
from tests.support.reads import fetch_value

DAYS_15 = dt.timedelta(days=15)


def text_of_statement(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    check_tagged(answer.content)
    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(answer.content)).pages)
    return re.sub(r"[\s\u202f\u00a0]+", " ", text)


MARCH = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


async def test_a_subscribers_year_adds_up_from_its_first_day_to_its_last() -> None:
    await sales.write_lines()
    with clock.started_at(MARCH):
        kept = await sales.write_sale(await sales.seal_weights({1: 3, 2: 3, 4: 1}), 10_001, fee=318)
        refunded = await sales.write_sale(await sales.seal_weights({1: 1, 4: 2}), 9_000, fee=0)
        await hold_shares()
        await sales.refund_licence(refunded)
        await cancel_shares()
        await sales.close_month()
    year = 2026
    mine = await get_year(4, year)
    total = {
        part: sum(getattr(month, f"{part}_micro") for month in mine.months)
        for part in ("earned", "released", "cancelled", "paid")
    }
    assert total["earned"] == 7_144_285 + 30_000_000
    assert (total["released"], total["cancelled"], total["paid"]) == (7_144_285, 30_000_000, 0)
    opening, closing = mine.opening, mine.closing
    assert opening == BalanceRow(held_micro=0, payable_micro=0)
    assert closing.payable_micro == opening.payable_micro + total["released"] - total["paid"]
    assert closing.held_micro == opening.held_micro + total["earned"] - total["released"] - total["cancelled"]
    assert {share.id: share.share_micro for share in mine.shares} == {kept: 7_144_285, refunded: 30_000_000}
    assert not mine.more_shares
    async with visiting(4) as ada:
        page = words(await ada.get(f"/en/earnings/statements/{year}"))
        assert "On 31 December, carried over €7.144285 €0.000000" in page
        assert "Together €37.144285 €7.144285 €30.000000 €0.000000" in page
        french = words(await ada.get(f"/fr/earnings/statements/{year}"))
        assert "Au 31 décembre, reporté 7,144285 € 0,000000 €" in french
        for language, expected in (
            ("en", ("Statement", "€37.144285", "Reversed", "Lyon by the hour")),
            ("fr", ("37,144285 €", "Repris", "Lyon heure par heure")),
        ):
            pdf = text_of_statement(await ada.get(f"/{language}/earnings/statements/{year}/pdf"))
            assert all(word in pdf for word in expected), pdf
        for missing in ("1999", "0", "9999", "10000"):
            assert (await ada.get(f"/en/earnings/statements/{missing}")).status_code == 404
            assert (await ada.get(f"/en/earnings/statements/{missing}/pdf")).status_code == 404
    async with visiting(5) as nobody:
        assert (await nobody.get(f"/en/earnings/statements/{year}")).status_code == 404


async def test_what_is_there_at_new_year_is_carried_over_and_what_is_held_then() -> None:
    await sales.write_lines()
    with clock.started_at(MARCH):
        await sales.write_sale(await sales.seal_weights({1: 1}), 10_000, fee=0)
        await hold_shares()
        await sales.close_month()
    assert (await get_year(1, 2026)).closing == BalanceRow(held_micro=0, payable_micro=50_000_000)
    with clock.started_at(dt.datetime(2026, 12, 28, tzinfo=dt.UTC)):
        licence = await sales.write_sale(await sales.seal_weights({1: 1}), 1_000, fee=0)
        await hold_shares()
    with clock.started_at(dt.datetime(2027, 1, 3, tzinfo=dt.UTC)):
        await sales.refund_part(licence, 400)
        await sales.close_month()
    assert (await get_year(1, 2026)).closing == BalanceRow(held_micro=5_000_000, payable_micro=50_000_000)
    later = await get_year(1, 2027)
    assert later.opening == BalanceRow(held_micro=5_000_000, payable_micro=50_000_000)
    assert later.closing == BalanceRow(held_micro=0, payable_micro=55_000_000)
    assert [share.share_micro for share in (await get_year(1, 2026)).shares] == [5_000_000, 50_000_000]


async def rival() -> uuid.UUID:
    partner: uuid.UUID = await fetch_value(
        "INSERT INTO partner (company, country, signed_up_at) VALUES ('Rival', 'FR', $1) RETURNING id", clock.now()
    )
    return partner


async def test_a_partner_reads_pool_rates_and_rounded_people_and_never_who() -> None:
    await sales.write_lines(range(1, 1300))
    licence = await sales.write_sale(
        await sales.seal_weights(dict.fromkeys(range(1, 1264), 1), published=1_300), 10_001, fee=318
    )
    order = await sales.order_of_licence(licence)
    async with visiting(partner=await fetch_value("SELECT id FROM partner WHERE company = 'Acme'")) as partner:
        early = words(await partner.get(f"/en/orders/{order}/statement"))
        assert "not divided yet" in early
        await hold_shares()
        answer = await partner.get(f"/en/orders/{order}/statement")
        shown = words(answer)
        for expected in ("€50.01", "50% of the posted price", "€46.82", "People counted 1,300", "Held until"):
            assert expected in shown, expected
        pdf = text_of_statement(await partner.get(f"/fr/orders/{order}/statement/pdf"))
        for expected in ("50,01 €", "50 %", "46,82 €", "Personnes comptées 1 300", "Relevé de licence", "Acme"):
            assert expected in pdf, expected
        for exact in ("1263", "1,263", "1 263"):
            assert exact not in shown
            assert exact not in pdf
            assert exact not in answer.text
        await execute("UPDATE session SET expires_at = expires_at + $1, last_seen_at = last_seen_at + $1", DAYS_15)
        await sales.close_month()
        with clock.shifted(DAYS_15):
            assert "Theirs since" in words(await partner.get(f"/en/orders/{order}/statement"))
        assert (await partner.get(f"/en/orders/{uuid.uuid4()}/statement")).status_code == 404
    async with visiting(partner=await rival()) as other:
        for path in ("statement", "statement/pdf"):
            assert (await other.get(f"/en/orders/{order}/{path}")).status_code == 404
    async with visiting(1) as subscriber:
        assert (await subscriber.get(f"/en/orders/{order}/statement")).status_code == 403


async def test_a_refund_is_shown() -> None:
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 3, 2: 3, 4: 1}), 10_001, fee=318)
    order = await sales.order_of_licence(licence)
    await hold_shares()
    async with visiting(partner=await fetch_value("SELECT id FROM partner WHERE company = 'Acme'")) as partner:
        await sales.refund_licence(licence)
        await cancel_shares()
        assert "refunded, and the pool with it" in words(await partner.get(f"/en/orders/{order}/statement"))
