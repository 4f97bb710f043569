"""What accounts need from Stripe: our own account's state, payouts and webhook endpoints, and the state of others'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.money.payments.account_rules import Endpoint, OurAccount, secret_id
from marketplace.money.payments.stripe_objects import instant
from marketplace.money.payments.stripe_port import DecidedError, StripePort, answer, pages

if TYPE_CHECKING:
    from collections.abc import Sequence


NOTED_AS = "partage_secret_id"
"""The key of an endpoint's metadata with its secret's id."""


class SetupPort(StripePort):
    """Stripe, for the setup of our own account."""

    async def get_our_account(self) -> OurAccount:
        """Return our own account, when its balance is paid out, and whether Connect answers."""
        account = await answer(self._v1.accounts.retrieve_current_async())
        balance = await answer(self._v1.balance_settings.retrieve_async())
        schedule: Any = getattr(balance.payments.payouts, "schedule", None)
        capabilities = account.capabilities.to_dict() if account.capabilities else {}
        try:
            await answer(self._v1.accounts.list_async({"limit": 1}))
        except DecidedError:
            has_connect = False
        else:
            has_connect = True
        return OurAccount(
            id=account.id,
            currency=(account.default_currency or "").upper(),
            can_charge=bool(account.charges_enabled),
            can_pay_out=bool(account.payouts_enabled),
            due=tuple(account.requirements.currently_due or ()) if account.requirements else (),
            capabilities={name: str(state) for name, state in capabilities.items()},
            payout_interval=getattr(schedule, "interval", None),
            has_connect=has_connect,
        )

    async def list_endpoints(self, url: str) -> list[Endpoint]:
        """Return the webhook endpoints of an address, the newest first."""
        found = [
            Endpoint(
                each.id,
                each.status == "enabled",
                each.api_version,
                tuple(each.enabled_events),
                instant(each.created),
                str((each.to_dict().get("metadata") or {}).get(NOTED_AS, "")),
            )
            async for page in pages(self._v1.webhook_endpoints.list_async, {})
            for each in page
            if each.url == url
        ]
        return sorted(found, key=lambda endpoint: endpoint.made_at, reverse=True)

    async def create_endpoint(self, url: str, types: Sequence[str]) -> str:
        """Make a webhook endpoint of this API version and return its secret, which Stripe shows once.

        The endpoint stores the secret's id, by which a later check knows whether the settings have it.
        """
        asked: Any = {
            "url": url,
            "enabled_events": list(types),
            "api_version": self.api_version,
            "description": "Partage",
        }
        made = await answer(self._v1.webhook_endpoints.create_async(asked))
        secret = str(made.secret)
        noted: Any = {"metadata": {NOTED_AS: secret_id(secret)}}
        await answer(self._v1.webhook_endpoints.update_async(made.id, noted))
        return secret

    async def update_endpoint(self, endpoint: str, types: Sequence[str]) -> None:
        """Enable an endpoint, for just these types of events."""
        asked: Any = {"enabled_events": list(types), "disabled": False}
        await answer(self._v1.webhook_endpoints.update_async(endpoint, asked))

    async def delete_endpoint(self, endpoint: str) -> None:
        """Delete an endpoint."""
        await answer(self._v1.webhook_endpoints.delete_async(endpoint))


class ConnectPort(StripePort):
    """Stripe, for the setup of an account that receives payouts."""

    async def open_onboarding(self, account_id: str, *, return_url: str) -> str:
        """Return Stripe's page, valid for minutes, that identifies a connected account's owner."""
        asked: Any = {
            "account": account_id,
            "type": "account_onboarding",
            "return_url": return_url,
            "refresh_url": return_url,
        }
        return str((await answer(self._v1.account_links.create_async(asked))).url)

    async def can_receive_transfers(self, account_id: str) -> bool:
        """Return whether a connected account can be paid."""
        account = await answer(self._v1.accounts.retrieve_async(account_id))
        return getattr(account.capabilities, "transfers", None) == "active"
