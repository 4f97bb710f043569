"""Money, keys, factors, erasure and exports: each such route asks once more who it is, and this is the list of them."""

import datetime as dt

from litestar.handlers import HTTPRouteHandler

from marketplace.core import clock
from marketplace.people.identity.guards import PROOF_LASTS, recently_proved
from marketplace.site.serving.routes import GUARDS
from tests.people.builders import Browser
from tests.support.routes import FORM, KINDS, NAMES, OUR_ROUTES, expectation_of, path_with_ids, sign_in_everyone

ASKED_AGAIN = {
    "bank details": {
        "POST /earnings/bank-details",
        "POST /earnings/bank-details/remove",
        "POST /earnings/stripe",
        "POST /earnings/stripe/leave",
    },
    "payouts": {
        "POST /finance/payout-runs/{run:uuid}/approve",
        "POST /finance/payout-runs/{run:uuid}/send",
        "GET /finance/payout-runs/{run:uuid}/download",
    },
    "decisions of two people": {
        "POST /finance/decisions/{proposal:uuid}",
        "POST /finance/orders/{order_id:uuid}/refund",
        "POST /finance/payout-runs/{run:uuid}/names",
        "POST /staff/claims/propose",
        "POST /staff/claims/decide",
        "POST /finance/credit/limits",
        "POST /finance/credit/orders/{order:uuid}",
        "POST /finance/exception/write-off",
        "POST /finance/categories",
        "POST /finance/bank/rules",
        "POST /finance/business/roles",
        "POST /finance/periods/{month:str}/propose",
        "POST /finance/years",
    },
    "keys": {"POST /keys", "POST /keys/{key_id:uuid}/rotate"},
    "second factors": {
        "POST /profile/factors/authenticator",
        "POST /profile/factors/authenticator/confirm",
        "POST /profile/factors/authenticator/remove",
        "POST /profile/factors/codes",
        "POST /profile/factors/passkeys",
        "POST /profile/factors/passkeys/remove",
    },
    "identities": {
        "GET /profile/identities/{provider:str}/link",
        "POST /profile/identities/{provider:str}/unlink",
    },
    "address": {"POST /profile/address"},
    "erasure": {"GET /profile/erase", "POST /profile/erase"},
    "incidents": {"POST /staff/incidents/{incident:uuid}/steps"},
    "exports": {"POST /finance/exports", "GET /finance/exports/{export:uuid}", "POST /profile/data"},
}
"""What is at stake → the routes that need a proof of some minutes ago."""


def test_these_routes_ask_again() -> None:
    """A new route of such a kind belongs into the list; one that asks without being in it is tried below all the same."""
    asking = {
        name
        for name, (handler, _) in zip(NAMES, OUR_ROUTES, strict=True)
        if recently_proved in handler.opt.get(GUARDS, ())
    }
    assert {stake: names - asking for stake, names in ASKED_AGAIN.items() if names - asking} == {}


async def answered(visitor: Browser, handler: HTTPRouteHandler, path: str) -> str:
    """Ask a page with a form that says nothing; return where it sends, or ''."""
    await visitor.get("/en/sign-in")
    headers = {"x-csrftoken": visitor.client.cookies.get("csrftoken") or ""}
    if "POST" in handler.http_methods:
        answer = await visitor.client.post(f"/en{path_with_ids(path)}", data=FORM, headers=headers)
    else:
        answer = await visitor.get(f"/en{path_with_ids(path)}")
    return str(answer.headers.get("location", ""))


async def test_an_old_proof_is_not_enough_on_any_of_them() -> None:
    visitors, wrong = await sign_in_everyone(), []
    with clock.shifted(PROOF_LASTS + dt.timedelta(seconds=1)):
        for name, (handler, path) in zip(NAMES, OUR_ROUTES, strict=True):
            if recently_proved not in handler.opt.get(GUARDS, ()):
                continue
            may = [kind for kind, what in KINDS.items() if expectation_of(handler).who & what]
            wrong += [
                f"{name} did not ask {kind} again: {place}"
                for kind in may
                if not (place := await answered(visitors[kind], handler, path)).startswith("/en/confirm")
            ]
    assert not wrong, "\n".join(wrong)
