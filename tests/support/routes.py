"""Every route of the site, what it must answer to each kind of visitor, and those visitors."""

import re
import uuid
from http import HTTPStatus
from typing import Any

from litestar.handlers import HTTPRouteHandler

from marketplace.core.database import fetch_scalar
from marketplace.people.identity import actions as identity
from marketplace.people.identity import key_actions
from marketplace.people.identity.guards import COOKIE, Expectation, begin_session
from marketplace.people.identity.rules import COMPANY_ROLES
from marketplace.site.app import routes
from marketplace.site.serving.refusals import MACHINE_PATHS
from marketplace.subscribers.operators import actions as operators
from tests.people.builders import PASSWORD, Browser, add_staff, allow, make_partner, person_of
from tests.support.sites import the_site

OUR_ROUTES = [(handler, path) for handler in routes() for path in sorted(handler.paths)]


NAMES = [f"{'/'.join(sorted(handler.http_methods - {'HEAD'}))} {path}" for handler, path in OUR_ROUTES]


KINDS = {
    "nobody": {"anyone"},
    "new partner": {"anyone", "signed in", "partner", "administrator", "approver", "accountant"},
    "partner": {"anyone", "signed in", "partner", "vetted partner", "administrator", "approver", "accountant"},
    "buyer": {"anyone", "signed in", "partner", "vetted partner"},
    "approver": {"anyone", "signed in", "partner", "vetted partner", "approver"},
    "accountant": {"anyone", "signed in", "partner", "vetted partner", "accountant"},
    "reader": {"anyone", "signed in", "partner", "vetted partner"},
    "subscriber": {"anyone", "signed in", "subscriber"},
    "steward": {"anyone", "signed in", "steward"},
    "finance": {"anyone", "signed in", "finance"},
    "auditor": {"anyone", "signed in", "auditor"},
    "operator": {"anyone", "the operator"},
}
"""Kinds of visitors, and what each of them is in the words of expectations."""


FORM = {"form_id": str(uuid.UUID(int=1))}


BID = {"currency": "EUR", "maximum_minor": 100}


BODIES = {
    "/api/v1/subscriptions/{subscription:uuid}/state": {"state": "paused"},
    "/api/v1/subscriptions/{subscription:uuid}/payment": {"pay_by": "invoice"},
    "/api/v1/orders/{order:uuid}/claims": {"reason": "incomplete", "evidence": "A zone is missing."},
}
"""Of routes for programs whose path has an id: a body that is read, so that it is the id that decides."""


OWNERS = {
    "bid": "SELECT partner::text AS owner, bid.id::text AS id FROM bid JOIN auction ON auction.id = auction WHERE kind = 'ascending'",
    "colleague": "SELECT partner::text AS owner, id::text AS id FROM person WHERE partner IS NOT NULL",
    "credential": "SELECT partner::text AS owner, id::text AS id FROM sharing_credential",
    "delivery": "SELECT partner::text AS owner, webhook_delivery.id::text AS id FROM webhook_delivery JOIN webhook_endpoint ON webhook_endpoint.id = endpoint",
    "endpoint": "SELECT partner::text AS owner, id::text AS id FROM webhook_endpoint",
    "entitlement": "SELECT partner::text AS owner, id::text AS id FROM entitlement",
    "holder": "SELECT partner::text AS owner, id::text AS id FROM person WHERE partner IS NOT NULL",
    "invoice": "SELECT partner::text AS owner, invoice.id::text AS id FROM invoice JOIN purchase_order ON purchase_order.id = purchase_order",
    "key_id": "SELECT partner::text AS owner, id::text AS id FROM api_key",
    "licence": "SELECT subscriber::text AS owner, licence.id::text AS id FROM licence CROSS JOIN person WHERE subscriber IS NOT NULL",
    "link": "SELECT partner::text AS owner, personal_link.id::text AS id FROM personal_link JOIN entitlement ON entitlement.id = entitlement",
    "order": "SELECT partner::text AS owner, id::text AS id FROM purchase_order",
    "quote": "SELECT partner::text AS owner, id::text AS id FROM quote",
    "receipt": "SELECT subscriber::text AS owner, receipt::text AS id FROM consent_record",
    "sale": "SELECT partner::text AS owner, auction_sale.id::text AS id FROM auction_sale JOIN auction_outcome ON auction_outcome.id = outcome",
    "session_id": "SELECT coalesce(partner::text, subscriber::text) AS owner, left(token_hash, 16) AS id FROM session JOIN person ON person.id = person",
    "search": "SELECT partner::text AS owner, saved_search.id::text AS id FROM saved_search JOIN person ON person.id = person",
    "subscription": "SELECT partner::text AS owner, id::text AS id FROM subscription",
    "asked": "SELECT partner::text AS owner, data_request::text AS id FROM data_request_partner",
    "saved": "SELECT payer::text AS owner, id::text AS id FROM saved_method",
}
"""Who owns what a parameter of a path names: partners and lines, each with an id."""


def expectation_of(handler: HTTPRouteHandler) -> Expectation:
    """Return what a route states."""
    stated: Expectation = handler.opt["expectation"]
    return stated


async def key_of(person: uuid.UUID) -> str:
    """Make and return an API key of a person's partner."""
    partner = await fetch_scalar(uuid.UUID, "SELECT partner FROM person WHERE id = $1", person)
    assert partner
    key_id = uuid.uuid4()
    key = await key_actions.create_key(partner, "robot", key_id=key_id, session="a session's secret")
    assert key
    await allow(partner, key_id)
    return key


async def sign_in_everyone() -> dict[str, Browser]:
    """Add one visitor of every kind to an empty marketplace, and sign each in."""
    app = the_site()
    visitors = {kind: Browser(app) for kind in KINDS}
    await make_partner("New", "new@people.example")
    await identity.vet_partner(await make_partner("Vetted", "vetted@people.example"), "a steward")
    company = await fetch_scalar(uuid.UUID, "SELECT partner FROM person WHERE email = 'vetted@people.example'")
    assert company
    colleagues = COMPANY_ROLES[1:]
    for role in colleagues:
        code_of_colleague = await identity.invite_colleague(
            company, email=f"{role}@people.example", name=role, invitation_id=uuid.uuid4(), role=role
        )
        await identity.accept_invitation(code_of_colleague, PASSWORD, "en")
    await identity.add_subscribers([7])
    [(line, code)] = await identity.issue_activation_codes([7])
    people = {
        "new partner": await person_of("new@people.example"),
        "partner": await person_of("vetted@people.example"),
        **{role: await person_of(f"{role}@people.example") for role in colleagues},
        "subscriber": await identity.claim_line(
            line, code, email="lucie@people.example", name="Lucie", password=PASSWORD
        ),
        **{
            role: await add_staff(f"{role}@people.example", role, role, PASSWORD)
            for role in ("steward", "finance", "auditor")
        },
    }
    keys = {kind: await key_of(person) for kind, person in people.items() if "partner" in KINDS[kind]}
    for kind, person in people.items():
        visitors[kind].client.headers["authorization"] = f"Bearer {keys.get(kind, 'nobodys')}"
        visitors[kind].client.cookies.set(COOKIE, (await begin_session(person)).value or "")
    visitors["operator"].client.headers["authorization"] = f"Bearer {await operators.add_key('shops')}"
    return visitors


def path_with_ids(path: str, **known: str) -> str:
    """Return a path with an id in place of each parameter, known ones as they are given and others nobody's."""
    nobodys = {"uuid": str(uuid.uuid4()), "int": "2013", "str": "nobodys", "path": "checkpoint"}
    return re.sub(r"\{(\w+):(\w+)\}", lambda match: known.get(match[1], nobodys[match[2]]), path)


async def status_of_route(visitor: Browser, handler: HTTPRouteHandler, path: str) -> int:
    """Ask a route, with a form where it has one, and return the status; a page that sends to the sign-in page says 401."""
    (method, *_) = sorted(handler.http_methods - {"HEAD"})
    is_page = not path.startswith(MACHINE_PATHS)
    if is_page:
        await visitor.get("/en/sign-in")
    token = visitor.client.cookies.get("csrftoken") or ""
    address = f"/en{path}" if is_page else path
    headers = {"x-csrftoken": token, "idempotency-key": str(uuid.uuid4())}
    body = next((BODIES[one] for one in handler.paths if one in BODIES), BID)
    filled_in: dict[str, Any] = ({"data": FORM} if is_page else {"json": body}) if method in {"POST", "PUT"} else {}
    answer = await visitor.client.request(method, address, headers=headers, **filled_in)
    if answer.is_redirect and "/sign-in" in answer.headers["location"]:
        return HTTPStatus.UNAUTHORIZED
    return answer.status_code
