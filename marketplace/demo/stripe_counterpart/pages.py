"""The hosted pages: pay a session, authenticate at the bank, onboard an account. Plain HTML, no script, nothing external.

A page only reads. A form does one thing and answers with a redirect, so a refresh or a double click repeats nothing.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2

from marketplace.demo.stripe_counterpart import page_texts
from marketplace.demo.stripe_counterpart.cash_balances import instructions_of
from marketplace.demo.stripe_counterpart.checkout import (
    complete_if_paid,
    lines_of,
    pay_session,
    session_of_intent,
)
from marketplace.demo.stripe_counterpart.connect import onboard
from marketplace.demo.stripe_counterpart.errors import ApiError, PaymentDeclinedError
from marketplace.demo.stripe_counterpart.http_messages import Request, Response
from marketplace.demo.stripe_counterpart.payment_intents import authenticate
from marketplace.demo.stripe_counterpart.payment_methods import IBAN_THAT_FAILS, IBAN_THAT_PAYS
from marketplace.demo.stripe_counterpart.scheduled_actions import run_due_actions
from marketplace.demo.stripe_counterpart.state import Origin, StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

_TEMPLATES = Path(__file__).parent / "templates"
_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Choice:
    """A test payment method offered on the page. name: its form value and the key of its text; digits: its last four."""

    name: str
    method: Json
    digits: str


def _card(name: str, token: str, digits: str) -> Choice:
    return Choice(name, {"type": "card", "card": {"token": f"tok_{token}"}}, digits)


def _debit(name: str, iban: str) -> Choice:
    return Choice(name, {"type": "sepa_debit", "sepa_debit": {"iban": iban}}, iban[-4:])


CHOICES = (
    _card("visa", "visa", "4242"),
    _card("declined_card", "chargeDeclinedInsufficientFunds", "9995"),
    _card("refused_card", "chargeDeclined", "0002"),
    _card("authentication", "authenticationRequired", "3184"),
    _card("disputed", "createDispute", "0259"),
    _debit("sepa", IBAN_THAT_PAYS),
    _debit("sepa_fails", IBAN_THAT_FAILS),
    Choice("transfer", {"type": "customer_balance"}, ""),
)


def handle_page(state: StripeState, request: Request) -> Response:
    """Answer a request for a hosted page; the path begins with /c/."""
    if request.path == "/c/style.css":
        return Response(200, _style(), "text/css; charset=utf-8", {"cache-control": "max-age=300"})
    _, _, action, identifier = (*request.path.split("/", 3), "", "")[:4]
    page = _PAGES.get(action)
    if page is None or request.method not in ("GET", "HEAD", "POST"):
        return _show(request, page_texts.choose_language(None, _accepted(request)), 404, notice="unknown")
    try:
        with state.transaction(Origin(request.base)):
            run_due_actions(state)
            return page(state, request, identifier)
    except ApiError:
        # Nothing changed; the page shows what can be done now.
        return _redirect(request.path)


# ------------------------------------------------------------------ paying
def _pay(state: StripeState, request: Request, session_id: str) -> Response:
    session = state.find(session_id)
    if session is None or session["object"] != "checkout.session":
        return _show(request, page_texts.choose_language(None, _accepted(request)), 404, notice="unknown")
    if request.method == "POST" and session["status"] != "expired":
        return _try_to_pay(state, request, session)
    return _show_session(state, request, session)


def _try_to_pay(state: StripeState, request: Request, session: Json) -> Response:
    chosen = request.form().get("method")
    choice = next((choice for choice in _choices_for(session) if choice.name == chosen), None)
    if choice is None:
        return _redirect(f"/c/pay/{session['id']}")
    try:
        pay_session(state, session, choice.method)
    except PaymentDeclinedError:
        return _redirect(f"/c/pay/{session['id']}")
    return _after_attempt(state, session)


def _after_attempt(state: StripeState, session: Json) -> Response:
    """Redirect the payer after an attempt: to the shop, to their bank, or to the page again."""
    intent = state.find(session["payment_intent"]) if session["payment_intent"] else None
    if intent is not None and _awaits_transfer(intent):
        return _redirect(f"/c/transfer/{intent['id']}")
    if session["status"] == "complete":
        return _redirect(_success_url(session))
    if intent is not None and intent["status"] == "requires_action":
        return _redirect(f"/c/authenticate/{intent['id']}")
    return _redirect(f"/c/pay/{session['id']}")


def _awaits_transfer(intent: Json) -> bool:
    return (intent.get("next_action") or {}).get("type") == "display_bank_transfer_instructions"


def _success_url(session: Json) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _choices_for(session: Json) -> list[Choice]:
    return [choice for choice in CHOICES if choice.method["type"] in session["payment_method_types"]]


def _show_session(state: StripeState, request: Request, session: Json) -> Response:
    language = page_texts.choose_language(session["locale"], _accepted(request))
    if session["status"] == "expired":
        return _show(request, language, 410, notice="expired", link=session["cancel_url"], link_text="back")
    intent = state.find(session["payment_intent"]) if session["payment_intent"] else None
    if intent is not None and _awaits_transfer(intent):
        return _redirect(f"/c/transfer/{intent['id']}")
    if session["status"] == "complete":
        notice = "pending" if session["payment_status"] == "unpaid" else "paid"
        return _show(request, language, 200, notice=notice, link=_success_url(session), link_text="continue")
    error = intent["last_payment_error"] if intent else None
    return _show(
        request,
        language,
        200,
        template="pay.html",
        session=session,
        lines=lines_of(state, session),
        choices=_choices_for(session),
        decline=page_texts.explain_decline(error, language) if error else None,
        form_targets=[session["success_url"]],
    )


# ------------------------------------------------------------------ the bank, and connected accounts
def _authenticate(state: StripeState, request: Request, intent_id: str) -> Response:
    intent = state.find(intent_id)
    if intent is None or intent["object"] != "payment_intent":
        return _show(request, page_texts.choose_language(None, _accepted(request)), 404, notice="unknown")
    session = session_of_intent(state, intent_id)
    action = intent["next_action"] or {}
    back = action.get("redirect_to_url", {}).get("return_url") or (f"/c/pay/{session['id']}" if session else "/c/")
    language = page_texts.choose_language(session["locale"] if session else None, _accepted(request))
    if request.method == "POST":
        try:
            authenticate(state, intent, agreed=request.form().get("answer") == "agree")
        except ApiError:
            # Declined, or answered twice; the intent shows which.
            return _redirect(back)
        if session is None:
            return _redirect(back)
        complete_if_paid(state, session, intent)
        return _after_attempt(state, session)
    if intent["status"] != "requires_action":
        return _redirect(back)
    amount = page_texts.write_amount(intent["amount"], intent["currency"], language)
    targets = [back, session["success_url"] if session else back]
    return _show(request, language, 200, template="authenticate.html", amount=amount, form_targets=targets)


def _transfer(state: StripeState, request: Request, intent_id: str) -> Response:
    intent = state.find(intent_id)
    session = session_of_intent(state, intent_id)
    language = page_texts.choose_language(session["locale"] if session else None, _accepted(request))
    if intent is None or not _awaits_transfer(intent):
        if session is not None:
            return _redirect(f"/c/pay/{session['id']}")
        return _show(request, language, 404, notice="unknown")
    link = _success_url(session) if session else None
    instructions = instructions_of(intent)
    return _show(request, language, 200, template="transfer.html", instructions=instructions, link=link)


def _onboard(state: StripeState, request: Request, account_id: str) -> Response:
    account = state.find(account_id)
    language = page_texts.choose_language(None, _accepted(request))
    if account is None or account["object"] != "account":
        return _show(request, language, 404, notice="unknown")
    back = account.get("_return_url") or "/c/"
    if request.method == "POST":
        onboard(state, account)
        return _redirect(back)
    return _show(request, language, 200, template="onboard.html", form_targets=[back])


_PAGES = {"pay": _pay, "authenticate": _authenticate, "onboard": _onboard, "transfer": _transfer}


# ------------------------------------------------------------------ showing
def _accepted(request: Request) -> str:
    return request.headers.get("accept-language", "")


def _redirect(location: str) -> Response:
    return Response(303, b"", _HTML, {"location": location, "cache-control": "no-store"})


def _show(
    request: Request,
    language: str,
    status: int,
    *,
    template: str = "notice.html",
    form_targets: list[str] | None = None,
    **values: Any,  # noqa: ANN401  what the template needs
) -> Response:
    """Return a page that may load our style, post to us and be redirected to `form_targets`, and nothing else."""
    texts = page_texts.TEXTS[language]
    html = (
        _environment()
        .get_template(template)
        .render(
            language=language,
            texts=texts,
            amount_of=lambda minor, currency: page_texts.write_amount(minor, currency, language),
            time_of=lambda moment: page_texts.write_time(moment, language),
            **{"notice": None, "link": None, "link_text": None, **values},
        )
    )
    origins = sorted({f"{at.scheme}://{at.netloc}" for at in map(urlsplit, form_targets or []) if at.netloc})
    policy = "; ".join(
        [
            "default-src 'none'",
            "style-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            " ".join(["form-action 'self'", *origins]),
        ]
    )
    headers = {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return Response(status, b"" if request.method == "HEAD" else html.encode(), _HTML, headers)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _style() -> bytes:
    return (_TEMPLATES / "style.css").read_bytes()
