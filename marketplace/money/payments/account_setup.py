"""Setting up our own account at Stripe: the webhook endpoint with just the handled events; what is missing there.

A repeated run changes only what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace.core.errors import Conflict, Invalid
from marketplace.core.settings import settings
from marketplace.money.payments import account_rules
from marketplace.money.payments.account_port import SetupPort
from marketplace.money.payments.rules import HANDLED_EVENTS, WEBHOOK_PATH
from marketplace.money.payments.stripe_port import DecidedError, SilentError

if TYPE_CHECKING:
    from marketplace.money.payments.account_rules import Plan


@dataclass(frozen=True, slots=True)
class Report:
    """The changes made, and the tasks left."""

    url: str
    api_version: str
    plan: Plan
    secret: str | None
    """Of an endpoint just made; Stripe shows it once."""
    missing: list[str]
    remarks: list[str]


async def set_up(*, replace: bool = False) -> Report:
    """Make one webhook endpoint get just the handled events, and check our account.

    replace: make a new endpoint, with a new secret; older ones are deleted at the next run that finds it in the
    settings. Refuses an address that Stripe cannot reach, and a key that Stripe does not accept.
    """
    url = f"{settings().url}{WEBHOOK_PATH}"
    if not settings().stripe_url and not url.startswith("https://"):
        raise Invalid("Set PARTAGE_URL to the site's public address, https://…: Stripe delivers webhooks there.")
    try:
        async with SetupPort() as port:
            found = await port.list_endpoints(url)
            ours = settings().stripe_webhook_secret
            plan = account_rules.plan_endpoints(
                found, api_version=port.api_version, types=HANDLED_EVENTS, secret=ours, replace=replace
            )
            secret = await port.create_endpoint(url, HANDLED_EVENTS) if plan.creates else None
            if plan.updates:
                await port.update_endpoint(plan.updates, HANDLED_EVENTS)
            for endpoint in plan.deletes:
                await port.delete_endpoint(endpoint)
            account = await port.get_our_account()
            missing = account_rules.missing(account)
            current = account_rules.find_current(found, port.api_version)
            if current and not plan.creates and (wrong := account_rules.secret_problem(current, ours)):
                missing.insert(0, wrong)
            return Report(url, port.api_version, plan, secret, missing, account_rules.remarks(account))
    except (SilentError, DecidedError) as refusal:
        raise Conflict("Stripe refuses: {why}", why=str(refusal)) from refusal
