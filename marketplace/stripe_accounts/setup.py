"""Our own account at Stripe, set up: the webhook endpoint with just the events that are handled; what is missing there.

Repeated, it changes what differs and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace.errors import Conflict, Invalid
from marketplace.payments.rules import HANDLED_EVENTS, WEBHOOK_PATH
from marketplace.payments.stripe_port import DecidedError, SilentError
from marketplace.settings import settings
from marketplace.stripe_accounts import rules
from marketplace.stripe_accounts.port import SetupPort

if TYPE_CHECKING:
    from marketplace.stripe_accounts.rules import Plan


@dataclass(frozen=True, slots=True)
class Report:
    """What was set up, and what is left to do."""

    url: str
    api_version: str
    plan: Plan
    secret: str | None
    """Of an endpoint that was made now; Stripe shows it once."""
    missing: list[str]
    remarks: list[str]


async def set_up(*, replace: bool = False) -> Report:
    """Have one webhook endpoint get just the handled events, and look our account over.

    replace: make a new endpoint, with a new secret; the former ones go at the next run that finds it in the settings. Refuses an address that Stripe
    cannot reach, and a key that Stripe does not accept.
    """
    url = f"{settings().url}{WEBHOOK_PATH}"
    if not settings().stripe_url and not url.startswith("https://"):
        raise Invalid("Set PARTAGE_URL to the site's public address, https://…: Stripe delivers webhooks there.")
    try:
        async with SetupPort() as port:
            found = await port.list_endpoints(url)
            ours = settings().stripe_webhook_secret
            plan = rules.plan_endpoints(
                found, api_version=port.api_version, types=HANDLED_EVENTS, secret=ours, replace=replace
            )
            secret = await port.create_endpoint(url, HANDLED_EVENTS) if plan.creates else None
            if plan.updates:
                await port.update_endpoint(plan.updates, HANDLED_EVENTS)
            for endpoint in plan.deletes:
                await port.delete_endpoint(endpoint)
            account = await port.get_our_account()
            missing = rules.missing(account)
            current = rules.find_current(found, port.api_version)
            if current and not plan.creates and (wrong := rules.secret_problem(current, ours)):
                missing.insert(0, wrong)
            return Report(url, port.api_version, plan, secret, missing, rules.remarks(account))
    except (SilentError, DecidedError) as refusal:
        raise Conflict("Stripe refuses: {why}", why=str(refusal)) from refusal
