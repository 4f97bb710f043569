"""The money side attacked over HTTP: each attempt gets one sentence, nothing is half-written, nothing else moves."""

import io
import re
import uuid
from typing import Any

import httpx
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.money.sepa import pain001
from marketplace.people.identity import actions as identity
from marketplace.people.identity.guards import begin_session
from marketplace.subscribers.payouts import actions as payouts
from tests.finance.builders.statements import Entry, Statement
from tests.people.builders import PASSWORD, make_staff, page_text, visiting
from tests.subscribers.builders import payees, sales
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run
from tests.support.reads import fetch_value
from tests.support.source import ROOT

NOBODY = uuid.UUID(int=7)
LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c SYSTEM "file:///etc/passwd">]><Document>&b;&c;</Document>"""
GOOD = Statement([Entry(500, "B1")]).xml()


async def tried(browser: httpx.AsyncClient, path: str, *, files: Any = None, **fields: str) -> tuple[int, str]:
    """Send a form to a path with a valid token, whatever the pages offer; the status and what the page says."""
    await browser.get("/en/sign-out")
    fields_sent = {"_csrf_token": browser.cookies["csrftoken"], "form_id": str(uuid.uuid4())} | fields
    return _message(await browser.post(f"/en{path}", data=fields_sent, files=files))


def _message(answer: httpx.Response) -> tuple[int, str]:
    assert answer.status_code < 500, answer.text
    lowered = answer.text.lower()
    assert not any(word in lowered for word in ("traceback", "asyncpg", "msgspec", "lxml", str(ROOT).lower(), ".py"))
    return answer.status_code, page_text(answer)


async def counts_of_books() -> list[int]:
    """Count what an attack must not change."""
    tables = (
        "journal_entry",
        "posting",
        "bank_statement",
        "bank_line",
        "bank_match",
        "payout_run",
        "payout",
        "payout_answer",
        "stripe_command",
        "proposal",
        "period",
        "books_export",
        "bank_details",
    )
    found = [table for table in tables if await fetch_value("SELECT to_regclass($1) IS NOT NULL", table)]
    decisions = await fetch_value("SELECT count(*) FROM staff_action WHERE area = 'decision'")
    return [*[await fetch_value(f"SELECT count(*) FROM {table}") for table in found], decisions]


async def test_an_auditor_reads_and_moves_nothing() -> None:
    async with payees.paying_three():
        drafted = await payouts.draft(await make_staff("Nora"))
        order = await fetch_value("SELECT id FROM purchase_order")
        before = await counts_of_books()
        posts = {
            f"/finance/orders/{order}/refund": {"reason": "because"},
            "/finance/reconciliation": {},
            "/finance/exception/settle": {
                "why": "line_unexplained",
                "subject": "1",
                "kind": "fee",
                "target": "627800",
                "amount_minor": "1",
            },
            "/finance/exception/write-off": {"why": "line_unexplained", "subject": "1", "reason": "because"},
            f"/finance/decisions/{NOBODY}": {"decision": "approve", "sha256": ""},
            "/finance/bank/lines/1/split": {},
            "/finance/bank/lines/1/undo": {"reason": "why"},
            "/finance/journal/1/reverse": {"reason": "because"},
            f"/finance/commands/{NOBODY}": {"decision": "retry"},
            "/finance/payout-runs": {"route": "sepa"},
            f"/finance/payout-runs/{drafted}/prepare": {},
            f"/finance/payout-runs/{drafted}/approve": {"reason": "because"},
            f"/finance/payout-runs/{drafted}/cancel": {"reason": "because"},
            f"/finance/payout-runs/{drafted}/send": {},
        }
        posts |= {"/finance/bank": {}, f"/finance/payout-runs/{drafted}/answer": {}}
        async with visiting(role="auditor") as auditor, visiting(1) as subscriber:
            for browser in (auditor, subscriber):
                for path, fields in posts.items():
                    assert (await tried(browser, path, **fields))[0] == 403, path
        async with visiting(role="finance") as clerk:
            for path, fields in posts.items():
                answer = await clerk.post(f"/en{path}", data=fields)
                assert (answer.status_code, "no longer valid" in page_text(answer)) == (403, True), (
                    f"{path} without a token"
                )
        assert await counts_of_books() == before


async def test_nobody_approves_what_they_prepared_however_they_sign_in() -> None:
    async with (
        payees.paying_three(),
        visiting(role="finance") as first,
        visiting(role="finance") as other,
        visiting(role="auditor") as second,
    ):
        assert (await tried(first, "/finance/payout-runs", route="sepa"))[0] == 303
        drafted = await fetch_value("SELECT id FROM payout_run")
        person = await fetch_value("SELECT prepared_by FROM payout_run")
        cookie = await begin_session(person)
        second.cookies.set(cookie.key, str(cookie.value))
        path = f"/finance/payout-runs/{drafted}"
        for browser in (first, second):
            assert (await tried(browser, f"{path}/approve", reason="it is mine"))[0] == 403
        assert (await tried(other, f"{path}/send"))[0] == 409, "not approved"
        assert (await tried(other, f"{path}/approve", reason="  "))[0] == 422
        assert (await tried(other, f"{path}/approve", reason="checked"))[0] == 303
        assert (await tried(first, f"{path}/send"))[0] == 303
        assert await fetch_value("SELECT count(*) FROM journal_entry WHERE kind = 'payout_sent'") == 1


async def test_another_partners_invoices_are_not_there() -> None:
    async with payees.paying_three():
        rival = await identity.create_partner(
            company="Rival",
            country="FR",
            vat_number="FR40303265045",
            name="Rita",
            email="rita@partner.example",
            password=PASSWORD,
        )
        order = await fetch_value("SELECT id FROM purchase_order")
        person = await fetch_value("SELECT id FROM person WHERE partner = $1", rival)
        await execute("UPDATE partner SET vetted_at = signed_up_at, vetted_by = 'x' WHERE id = $1", rival)
        async with visiting(role="auditor") as rita:
            cookie = await begin_session(person)
            rita.cookies.set(cookie.key, str(cookie.value))
            for path in (
                f"/orders/{order}",
                f"/orders/{order}/statement",
                f"/orders/{order}/statement/pdf",
                f"/invoices/{NOBODY}",
            ):
                assert (await rita.get(f"/en{path}")).status_code == 404, path
            for invoice in [row["id"] for row in await _invoices()]:
                assert (await rita.get(f"/en/invoices/{invoice}")).status_code == 404
            for path in (f"/finance/orders/{order}", f"/finance/invoices/{NOBODY}", "/finance/exports"):
                assert (await rita.get(f"/en{path}")).status_code == 403


async def _invoices() -> Any:
    from tests.support.reads import fetch  # noqa: PLC0415

    return await fetch("SELECT id FROM invoice")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "."),
        (b"\x00\xff\xfe", "."),
        (LAUGHS, "."),
        (b"<Document>" * 50_000, "."),
        (GOOD.replace(b"EUR", b"USD"), "."),
        (GOOD.replace(b"5.00", b"-5.00"), "."),
        (GOOD.replace(b"5.00", b"1e9"), "."),
        (GOOD.replace(b"5.00", b"9" * 40 + b".00"), "."),
        (GOOD.replace(b"5.00", b"5.001"), "."),
        (GOOD.replace(b"2026-10-05", b"2026-13-45"), "."),
        (GOOD.replace(b"camt.053", b"camt.052"), "."),
    ],
)
async def test_a_forged_bank_statement_brings_nothing(data: bytes, message: str) -> None:
    await sales.write_lines()
    before = await counts_of_books()
    async with visiting(role="finance") as clerk:
        status, answered = await tried(
            clerk, "/finance/bank", files={"file": ("s.xml", io.BytesIO(data))}, new_account="yes"
        )
        assert status in (409, 422), answered
        assert message in answered
        assert "root:" not in answered
    assert await counts_of_books() == before


async def test_a_statement_twice_and_of_a_strange_account() -> None:
    await sales.write_lines()
    async with visiting(role="finance") as clerk:
        strange = await tried(clerk, "/finance/bank", files={"file": ("s.xml", io.BytesIO(GOOD))})
        assert strange[0] == 409, "an account nobody said is ours"
        for _ in range(2):
            assert (
                await tried(clerk, "/finance/bank", files={"file": ("s.xml", io.BytesIO(GOOD))}, new_account="yes")
            )[0] == 303
        line = await fetch_value("SELECT id FROM bank_line")
        assert await fetch_value("SELECT count(*) FROM journal_entry WHERE kind = 'bank_line'") == 1
        for amount in ("0", "-5", "1e3", "5.001", "９", "99999999999999999999", "0x5", "NaN", "4.99", "5.00 USD"):
            status, answered = await tried(clerk, f"/finance/bank/lines/{line}/split", kind1="627800", amount1=amount)
            assert status in (409, 422), (amount, answered)
        for kind, target in (
            ("order", "'; DROP TABLE posting; --"),
            ("payout", "po_none"),
            ("411000", ""),
            ("101000", ""),
        ):
            status, answered = await tried(
                clerk, f"/finance/bank/lines/{line}/split", kind1=kind, target1=target, amount1="5.00"
            )
            assert status in (404, 422), (kind, answered)
        forged = {"why": "line_unexplained", "subject": str(line), "kind": "fee", "target": "627800"}
        for amount in ("499", "-500", str(2**70), "x"):
            assert (await tried(clerk, "/finance/exception/settle", **forged, amount_minor=amount))[0] in (
                400,
                409,
                422,
            ), amount
        for key in ("0", "-1", str(2**70), "1 OR 1=1"):
            assert (await clerk.get(f"/en/finance/bank/lines/{key}")).status_code == 404, key
    assert await fetch_value("SELECT count(*) FROM bank_match") == 0


async def test_an_answer_about_another_run_or_of_nonsense_refuses_nothing() -> None:
    async with payees.paying_three():
        sent = await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        from marketplace.demo.bank import Bank  # noqa: PLC0415

        answer = Bank(OUR_IBAN, rejects={payees.iban_of(1): "AC04"}).submit(await file_of_run(sent))
        other = answer.replace(pain001.message_of(sent).encode(), pain001.message_of(uuid.uuid4()).encode())
        stranger = re.sub(rb"PTP[0-9a-f]{32}", f"PTP{uuid.uuid4().hex}".encode(), answer)
        async with visiting(role="finance") as clerk:
            for data in (other, stranger, LAUGHS, b"", b"<Document/>", answer[:-20]):
                status, answered = await tried(
                    clerk, f"/finance/payout-runs/{sent}/answer", files={"file": ("a.xml", io.BytesIO(data))}
                )
                assert status in (409, 422), answered
                assert "root:" not in answered
        assert await fetch_value("SELECT count(*) FROM payout WHERE state = 'open'") == 3
        assert await fetch_value("SELECT count(*) FROM payout_answer") == 0


async def test_amounts_ibans_and_exports_of_the_dishonest() -> None:
    async with payees.paying_three():
        iban = payees.iban_of(9)
        async with visiting(1) as subscriber, visiting(role="finance") as clerk:
            before = await counts_of_books()
            for bad in (
                iban.replace("B", "В"),
                iban.replace("5", "٥"),
                iban[:-1],
                iban + "0",
                "x" * 5_000,
                "DE00 0000",
                f"{iban}\u202e",
                "GB33BUKB20201555555555\x00",
                OUR_IBAN[:-1] + "8",
            ):
                status, answered = await tried(subscriber, "/earnings/bank-details", holder="Zoé", iban=bad)
                assert status in (400, 409, 422), (bad, answered)
            for amount in ("0", "-1", "1e9", "99999999", "５", "", "2.999", "NaN", "9" * 400):
                assert (await tried(subscriber, "/earnings/payouts/threshold", euros=amount))[0] in (400, 422), amount
            order = await fetch_value("SELECT id FROM purchase_order")
            for amount in ("0", "-1", "0.001", "1e3", "999999999", "9" * 40, "１", "NaN"):
                status, answered = await tried(
                    clerk, f"/finance/orders/{order}/refund", reason="because", amount=amount, bears_loss="yes"
                )
                assert status in (409, 422), (amount, answered)
            for name, first, last in (
                ("../../etc/passwd", "2026-01-01", "2026-12-31"),
                ("fec", "2026-12-31", "2026-01-01"),
                ("fec", "0000-00-00", "9999-99-99"),
                ("fec\x00", "2026-01-01", "2026-12-31"),
                ("", "", ""),
            ):
                assert (await tried(clerk, "/finance/exports", format=name, first_day=first, last_day=last))[0] in (
                    400,
                    422,
                ), name
            for path in (
                f"/finance/exports/{NOBODY}",
                "/finance/exports/..%2f..%2fetc%2fpasswd",
                "/finance/exports/../../etc/passwd",
            ):
                assert (await clerk.get(f"/en{path}")).status_code == 404, path
            assert await counts_of_books() == before
        assert clock.now()
