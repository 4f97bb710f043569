"""The hosted page: a session is paid once, or never; every way through it ends right."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from tests.demo.counterpart_harness import CANCEL_URL, SUCCESS_URL, HttpResponse, Running, send

HOUR, DAY = 3600, 86_400


def checkout_page(session: stripe.checkout.Session, **headers: str) -> HttpResponse:
    return send("GET", str(session.url), headers={name.replace("_", "-"): value for name, value in headers.items()})


def address(running: Running, session: stripe.checkout.Session) -> str:
    return f"{running.url}/c/pay/{session.id}"


def again(running: Running, session: stripe.checkout.Session) -> Any:
    asked: Any = {"expand": ["payment_intent", "line_items"]}
    return running.client.checkout.sessions.retrieve(session.id, asked)


def thanks(session: stripe.checkout.Session) -> str:
    return SUCCESS_URL.replace("{CHECKOUT_SESSION_ID}", session.id)


def charges(running: Running) -> list[str]:
    return [each.status for each in running.client.charges.list({"limit": 100}).data]


# ------------------------------------------------------------------ what the merchant sees
def test_a_session_carries_what_was_asked(fresh_counterpart: Running) -> None:
    customer = fresh_counterpart.client.customers.create({"email": "partner@example.test"})
    session = fresh_counterpart.open_session(
        client_reference_id="order-7", customer=customer.id, locale="fr", metadata={"order": "7"}
    )
    assert (session.status, session.payment_status, session.ui_mode) == ("open", "unpaid", "hosted_page")
    assert (session.amount_total, session.currency, session.client_reference_id) == (12_000, "eur", "order-7")
    assert (session.expires_at - session.created, session.payment_intent) == (DAY, None)
    lines = fresh_counterpart.client.checkout.sessions.line_items.list(session.id).data
    assert [(line.description, line.amount_total, line.quantity) for line in lines] == [("Licence", 12_000, 1)]


def test_a_paid_session_names_its_payment(fresh_counterpart: Running) -> None:
    more: Any = {"payment_intent_data": {"metadata": {"order": "7"}, "description": "Licence 7"}}
    session = fresh_counterpart.open_session(**more)
    paid = fresh_counterpart.submit(address(fresh_counterpart, session), method="visa")
    assert (paid.status, paid.headers["location"]) == (303, thanks(session))
    reread = again(fresh_counterpart, session)
    assert (reread.status, reread.payment_status, reread.url) == ("complete", "paid", None)
    assert (reread.payment_intent.status, reread.payment_intent.amount) == ("succeeded", 12_000)
    assert (reread.payment_intent.metadata.order, reread.payment_intent.description) == ("7", "Licence 7")
    assert reread.line_items.data[0].amount_total == 12_000
    types = [each.type for each in fresh_counterpart.client.events.list({"limit": 100}).data][::-1]
    assert types == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


@pytest.mark.parametrize("life", [HOUR // 2 - 60, DAY + 60])
def test_a_session_lives_between_half_an_hour_and_a_day(fresh_counterpart: Running, life: int) -> None:
    now = fresh_counterpart.control("clock")["now"]
    with pytest.raises(stripe.InvalidRequestError, match="expires_at"):
        fresh_counterpart.open_session(expires_at=now + life)
    assert fresh_counterpart.open_session(expires_at=now + HOUR).expires_at == now + HOUR


def test_vat_lines_are_shown_as_sent(fresh_counterpart: Running) -> None:
    lines: Any = [
        {
            "quantity": 2,
            "price_data": {
                "currency": "eur",
                "unit_amount": 617_250,
                "product_data": {"name": "Licence Milan", "description": "Grille 1 km, novembre"},
            },
        },
        {
            "quantity": 1,
            "price_data": {"currency": "eur", "unit_amount": 246_900, "product_data": {"name": "TVA 20 %"}},
        },
    ]
    session = fresh_counterpart.open_session(line_items=lines, locale="fr")
    shown = checkout_page(session).text.replace("\u202f", " ").replace("\xa0", " ")
    for text in ("Licence Milan × 2", "Grille 1 km, novembre", "TVA 20 %", "12 345,00 €", "2 469,00 €", "14 814,00 €"):
        assert text in shown, text
    assert session.amount_total == 1_481_400


# ------------------------------------------------------------------ what the payer sees
def test_the_page_says_that_it_is_local(fresh_counterpart: Running) -> None:
    session = fresh_counterpart.open_session(locale="en", client_reference_id="order-<7>")
    shown = checkout_page(session)
    assert shown.status == 200
    assert '<html lang="en">' in shown.text
    assert "No real money moves" in shown.text
    assert "€120.00" in shown.text
    assert "order-&lt;7&gt;" in shown.text
    assert f'href="{CANCEL_URL}"' in shown.text
    assert "<script" not in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "form-action 'self' http://shop.test" in shown.headers["content-security-policy"]
    assert len(shown.text) < 20_000


@pytest.mark.parametrize(
    ("locale", "accepted", "language"),
    [
        ("fr", "en", "fr"),
        ("en", "fr", "en"),
        ("auto", "fr-FR,fr;q=0.9", "fr"),
        ("auto", "de", "en"),
        ("fr-CA", "", "fr"),
    ],
)
def test_the_page_speaks_the_asked_language(
    fresh_counterpart: Running, locale: str, accepted: str, language: str
) -> None:
    session = fresh_counterpart.open_session(locale=locale)
    assert f'<html lang="{language}">' in checkout_page(session, accept_language=accepted).text


def test_a_declined_card_can_be_followed_by_another(fresh_counterpart: Running) -> None:
    session = fresh_counterpart.open_session(locale="en")
    declined = fresh_counterpart.submit(address(fresh_counterpart, session), method="declined_card")
    assert (declined.status, declined.headers["location"]) == (303, f"/c/pay/{session.id}")
    shown = checkout_page(session).text
    assert 'role="alert"' in shown
    assert "insufficient funds" in shown
    reread = again(fresh_counterpart, session)
    assert (reread.status, reread.payment_status, reread.payment_intent.status) == (
        "open",
        "unpaid",
        "requires_payment_method",
    )
    assert fresh_counterpart.submit(address(fresh_counterpart, session), method="visa").headers["location"] == thanks(
        session
    )
    assert charges(fresh_counterpart) == ["succeeded", "failed"]


def test_a_double_click_pays_once(fresh_counterpart: Running) -> None:
    session = fresh_counterpart.open_session()
    with ThreadPoolExecutor() as pool:
        clicks = [
            pool.submit(fresh_counterpart.submit, address(fresh_counterpart, session), method="visa") for _ in range(6)
        ]
    assert {click.result().headers["location"] for click in clicks} == {thanks(session)}
    assert charges(fresh_counterpart) == ["succeeded"]
    events = fresh_counterpart.client.events.list({"type": "checkout.session.completed"}).data
    assert len(events) == 1


def test_a_paid_page_offers_only_the_way_on(fresh_counterpart: Running) -> None:
    session = fresh_counterpart.open_session(locale="en")
    fresh_counterpart.submit(address(fresh_counterpart, session), method="visa")
    shown = send("GET", address(fresh_counterpart, session))
    assert shown.status == 200
    assert "Already paid" in shown.text
    assert thanks(session) in shown.text
    assert "<form" not in shown.text


@pytest.mark.parametrize("ended", ["by the clock", "by the merchant"])
def test_an_expired_session_charges_nothing(fresh_counterpart: Running, ended: str) -> None:
    session = fresh_counterpart.open_session(locale="en")
    if ended == "by the clock":
        fresh_counterpart.control("clock", days=1)
    else:
        fresh_counterpart.client.checkout.sessions.expire(session.id)
    refused = fresh_counterpart.submit(address(fresh_counterpart, session), method="visa")
    assert refused.status == 410
    assert "expired" in refused.text
    assert CANCEL_URL in refused.text
    reread = again(fresh_counterpart, session)
    assert (reread.status, reread.payment_status, reread.url) == ("expired", "unpaid", None)
    assert charges(fresh_counterpart) == []
    assert [each.type for each in fresh_counterpart.client.events.list().data] == ["checkout.session.expired"]
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        fresh_counterpart.client.checkout.sessions.expire(session.id)


def test_a_paid_session_does_not_expire(fresh_counterpart: Running) -> None:
    session = fresh_counterpart.open_session()
    fresh_counterpart.submit(address(fresh_counterpart, session), method="visa")
    fresh_counterpart.control("clock", days=2)
    assert again(fresh_counterpart, session).status == "complete"
    with pytest.raises(stripe.InvalidRequestError, match="status of complete"):
        fresh_counterpart.client.checkout.sessions.expire(session.id)


def test_expiring_gives_up_an_attempt_that_was_declined(fresh_counterpart: Running) -> None:
    session = fresh_counterpart.open_session()
    fresh_counterpart.submit(address(fresh_counterpart, session), method="declined_card")
    fresh_counterpart.client.checkout.sessions.expire(session.id)
    assert again(fresh_counterpart, session).payment_intent.status == "canceled"


# ------------------------------------------------------------------ the bank asks first
def test_a_payer_confirms_at_their_bank(fresh_counterpart: Running) -> None:
    session = fresh_counterpart.open_session(locale="fr")
    sent = fresh_counterpart.submit(address(fresh_counterpart, session), method="authentication")
    bank = sent.headers["location"]
    assert bank.startswith("/c/authenticate/pi_")
    assert again(fresh_counterpart, session).status == "open"
    assert "Confirmer le paiement" in send("GET", fresh_counterpart.url + bank).text
    confirmed = fresh_counterpart.submit(bank, answer="agree")
    assert confirmed.headers["location"] == thanks(session)
    assert again(fresh_counterpart, session).payment_status == "paid"
    repeated = fresh_counterpart.submit(bank, answer="agree")
    assert repeated.headers["location"].endswith(f"/c/pay/{session.id}")
    assert charges(fresh_counterpart) == ["succeeded"]


def test_a_payer_who_refuses_can_pay_otherwise(fresh_counterpart: Running) -> None:
    session = fresh_counterpart.open_session(locale="en")
    bank = fresh_counterpart.submit(address(fresh_counterpart, session), method="authentication").headers["location"]
    refused = fresh_counterpart.submit(bank, answer="refuse")
    assert refused.headers["location"].endswith(f"/c/pay/{session.id}")
    assert "The payment was not confirmed" in checkout_page(session).text
    assert charges(fresh_counterpart) == []
    assert fresh_counterpart.submit(address(fresh_counterpart, session), method="visa").headers["location"] == thanks(
        session
    )


def test_an_intent_sends_its_payer_to_the_bank_and_back(fresh_counterpart: Running) -> None:
    return_url = "http://shop.test/back?order=7"
    intent: Any = fresh_counterpart.charge(9000, "pm_card_authenticationRequired", return_url=return_url)
    assert intent.status == "requires_action"
    confirmed = fresh_counterpart.submit(intent.next_action.redirect_to_url.url, answer="agree")
    assert confirmed.headers["location"] == return_url
    assert fresh_counterpart.client.payment_intents.retrieve(intent.id).status == "succeeded"


# ------------------------------------------------------------------ debits, deposits, setup
@pytest.mark.parametrize(
    ("method", "event", "status"),
    [
        ("sepa", "checkout.session.async_payment_succeeded", "paid"),
        ("sepa_fails", "checkout.session.async_payment_failed", "unpaid"),
    ],
)
def test_a_debit_completes_the_session_unpaid(fresh_counterpart: Running, method: str, event: str, status: str) -> None:
    session = fresh_counterpart.open_session(locale="en")
    fresh_counterpart.submit(address(fresh_counterpart, session), method=method)
    reread = again(fresh_counterpart, session)
    assert (reread.status, reread.payment_status, reread.payment_intent.status) == ("complete", "unpaid", "processing")
    assert "Payment on its way" in send("GET", address(fresh_counterpart, session)).text
    fresh_counterpart.control("settle")
    assert again(fresh_counterpart, session).payment_status == status
    assert event in [each.type for each in fresh_counterpart.client.events.list({"limit": 100}).data]


def test_a_session_offers_only_the_allowed_methods(fresh_counterpart: Running) -> None:
    session = fresh_counterpart.open_session(allowed_payment_method_types=["card"])
    assert "sepa" not in checkout_page(session).text
    assert (
        fresh_counterpart.submit(address(fresh_counterpart, session), method="sepa").headers["location"]
        == f"/c/pay/{session.id}"
    )
    assert charges(fresh_counterpart) == []


def test_a_session_may_only_hold_the_money(fresh_counterpart: Running) -> None:
    session = fresh_counterpart.open_session(payment_intent_data={"capture_method": "manual"})
    fresh_counterpart.submit(address(fresh_counterpart, session), method="visa")
    reread = again(fresh_counterpart, session)
    assert (reread.status, reread.payment_status) == ("complete", "unpaid")
    assert fresh_counterpart.client.payment_intents.capture(reread.payment_intent.id).amount_received == 12_000


def test_a_session_may_save_a_card_for_later(fresh_counterpart: Running) -> None:
    customer = fresh_counterpart.client.customers.create({"email": "bidder@example.test"})
    asked: Any = {"mode": "setup", "currency": "eur", "customer": customer.id, "success_url": SUCCESS_URL}
    session = fresh_counterpart.client.checkout.sessions.create(asked)
    assert checkout_page(session).status == 200
    assert fresh_counterpart.submit(address(fresh_counterpart, session), method="visa").headers["location"] == thanks(
        session
    )
    expand: Any = {"expand": ["setup_intent"]}
    reread: Any = fresh_counterpart.client.checkout.sessions.retrieve(session.id, expand)
    assert (reread.status, reread.payment_status, reread.setup_intent.status) == (
        "complete",
        "no_payment_required",
        "succeeded",
    )
    intent = fresh_counterpart.charge(
        70_000, reread.setup_intent.payment_method, customer=customer.id, off_session=True
    )
    assert intent.status == "succeeded"


def test_unknown_pages_say_so(fresh_counterpart: Running) -> None:
    for path in (
        "/c/pay/cs_test_none",
        "/c/pay/",
        "/c/",
        "/c/authenticate/pi_none",
        "/c/onboard/acct_none",
        "/c/a/b/c",
    ):
        assert send("GET", fresh_counterpart.url + path).status == 404, path
    assert send("GET", f"{fresh_counterpart.url}/c/style.css").headers["content-type"].startswith("text/css")


def test_an_account_owner_onboards_on_a_page(fresh_counterpart: Running) -> None:
    account = fresh_counterpart.client.accounts.create(
        {"type": "express", "capabilities": {"transfers": {"requested": True}}}
    )
    urls = {"refresh_url": "http://shop.test/again", "return_url": "http://shop.test/done"}
    asked: Any = {"account": account.id, "type": "account_onboarding", **urls}
    link = fresh_counterpart.client.account_links.create(asked)
    assert send("GET", link.url).status == 200
    assert fresh_counterpart.submit(link.url).headers["location"] == "http://shop.test/done"
    assert fresh_counterpart.client.accounts.retrieve(account.id).payouts_enabled
