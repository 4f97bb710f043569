"""Rules for our own account at Stripe: which endpoint stays, and what an operator still has to do there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pricing.money import EUR

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook endpoint of our address."""

    id: str
    is_enabled: bool
    api_version: str | None
    types: tuple[str, ...]
    made_at: dt.datetime
    secret_id: str = ""
    """The id of its secret, see `secret_id`; empty if the endpoint was made without."""


@dataclass(frozen=True, slots=True)
class OurAccount:
    """Our own account at Stripe."""

    id: str
    currency: str
    can_charge: bool
    can_pay_out: bool
    due: tuple[str, ...]
    """The facts that Stripe still requires, by its names."""
    capabilities: dict[str, str]
    payout_interval: str | None
    """daily, weekly, monthly or manual."""
    has_connect: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes to the endpoints of our address."""

    creates: bool
    updates: str | None
    deletes: tuple[str, ...]


def secret_id(secret: str) -> str:
    """Return the id of a webhook's secret: sixteen hex digits, from which it cannot be derived."""
    return hashlib.sha256(b"partage webhook secret" + secret.encode()).hexdigest()[:16]


def find_current(found: Sequence[Endpoint], api_version: str) -> Endpoint | None:
    """Return the endpoint that stays, the newest of this API version; found: newest first."""
    return next((one for one in found if one.api_version == api_version), None)


def secret_problem(current: Endpoint, secret: str) -> str:
    """Return the fault of the webhook's secret in the settings, a sentence; empty if it is right."""
    lost = "If it is lost, `marketplace stripe setup --replace` makes another."
    if not secret.strip():
        return f"STRIPE_WEBHOOK_SECRET is empty: set the secret of {current.id} for web and jobs. {lost}"
    if current.secret_id and current.secret_id != secret_id(secret):
        return f"STRIPE_WEBHOOK_SECRET is not the secret of {current.id}: set that one for web and jobs. {lost}"
    return ""


def plan_endpoints(
    found: Sequence[Endpoint], *, api_version: str, types: Sequence[str], secret: str, replace: bool
) -> Plan:
    """Return the changes after which one endpoint of this API version gets just these types.

    found: newest first. The newest of this version stays. The others are deleted once no new endpoint is needed and its
    secret is in the settings: until then an older one still delivers, under the secret that the site has.
    """
    current = find_current(found, api_version)
    if current is None or replace:
        return Plan(creates=True, updates=None, deletes=())
    has_secret = not secret_problem(current, secret)
    is_right = current.is_enabled and sorted(current.types) == sorted(types)
    return Plan(
        creates=False,
        updates=None if is_right else current.id,
        deletes=tuple(one.id for one in found if one.id != current.id and has_secret),
    )


def missing(account: OurAccount) -> list[str]:
    """Return what must be done before anything is sold, a sentence each."""
    due = f" Stripe wants: {', '.join(account.due)}." if account.due else ""
    found = []
    if not account.can_charge:
        found.append(f"Stripe does not let this account charge anybody yet: complete it in the dashboard.{due}")
    if not account.can_pay_out:
        found.append(f"Stripe does not pay this account out yet: complete it, and its bank account.{due}")
    if account.currency != EUR:
        found.append(f"The account's currency is {account.currency or 'none'}: licences are sold in euros.")
    if account.capabilities.get("card_payments") != "active":
        found.append("Cards are not accepted: turn them on among the dashboard's payment methods.")
    return found


def remarks(account: OurAccount) -> list[str]:
    """Return what an operator should know and may leave as it is, a sentence each."""
    found = []
    if account.capabilities.get("sepa_debit_payments") != "active":
        found.append(
            "SEPA debits are not accepted: turn them on among the dashboard's payment methods if you want them."
        )
    if not account.has_connect:
        found.append("Connect does not answer: without it subscribers are paid by SEPA transfer alone.")
    elif account.payout_interval != "manual":
        found.append(
            f"Stripe pays the balance out by itself ({account.payout_interval or 'schedule unknown'}): transfers to"
            " subscribers wait when it is empty. Choose manual payouts, or a minimum balance, if you pay through Stripe."
        )
    return found
