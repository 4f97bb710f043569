"""Recipients of personal data outside, from the settings; the operator completes what no setting names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from marketplace.core.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable

    from marketplace.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Recipient:
    """An outside recipient: who, which data, where it is processed; `named` by this installation's settings."""

    code: str
    title: Words
    receives: Words
    place: Words
    find: Callable[[Settings], str]

    def named(self, settings: Settings) -> str:
        """Return the recipient's name here, or '' if no setting has it."""
        return self.find(settings)


EUROPE: Final = Words("European Union")
BOTH: Final = Words("European Union and United States (adequacy decision, standard clauses)")
AS_CHOSEN: Final = Words("as the operator’s contract says")


def _host_of(address: str) -> str:
    return urlsplit(address).hostname or ""


RECIPIENTS: Final = {
    one.code: one
    for one in (
        Recipient(
            "host",
            Words("Hosting provider"),
            Words("the database, the objects and the backups"),
            AS_CHOSEN,
            lambda settings: settings.legal_host,
        ),
        Recipient(
            "stripe",
            Words("Stripe, payment provider"),
            Words("what charging partners needs, and paying subscribers who chose it"),
            BOTH,
            lambda settings: "Stripe" if settings.stripe_key else "",
        ),
        Recipient(
            "bank",
            Words("The operator’s bank"),
            Words("name, IBAN and amount of each subscriber to pay"),
            EUROPE,
            lambda settings: settings.payout_iban[:2] + "…" + settings.payout_iban[-4:] if settings.payout_iban else "",
        ),
        Recipient(
            "mail",
            Words("Mail server"),
            Words("the address and text of each letter"),
            AS_CHOSEN,
            lambda settings: _host_of(settings.smtp_url),
        ),
        Recipient(
            "vies",
            Words("VIES, a service of the European Commission"),
            Words("partners’ VAT numbers"),
            EUROPE,
            lambda settings: _host_of(settings.vies_url),
        ),
        Recipient(
            "tax",
            Words("Tax administration, auditor"),
            Words("the books and invoices, when they ask"),
            EUROPE,
            lambda settings: settings.seller_siren,
        ),
    )
}
