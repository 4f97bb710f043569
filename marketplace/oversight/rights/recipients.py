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


EUROPE: Final = Words(fr="Union européenne", en="European Union")
BOTH: Final = Words(
    fr="Union européenne et États-Unis (décision d’adéquation, clauses types)",
    en="European Union and United States (adequacy decision, standard clauses)",
)
AS_CHOSEN: Final = Words(fr="selon le contrat de l’exploitant", en="as the operator’s contract says")


def _host_of(address: str) -> str:
    return urlsplit(address).hostname or ""


RECIPIENTS: Final = {
    one.code: one
    for one in (
        Recipient(
            "host",
            Words(fr="Hébergeur", en="Hosting provider"),
            Words(
                fr="la base de données, les objets et les sauvegardes", en="the database, the objects and the backups"
            ),
            AS_CHOSEN,
            lambda settings: settings.legal_host,
        ),
        Recipient(
            "stripe",
            Words(fr="Stripe, prestataire de paiement", en="Stripe, payment provider"),
            Words(
                fr="ce qu’il faut pour encaisser les partenaires et pour payer les abonnés qui l’ont choisi",
                en="what charging partners needs, and paying subscribers who chose it",
            ),
            BOTH,
            lambda settings: "Stripe" if settings.stripe_key else "",
        ),
        Recipient(
            "bank",
            Words(fr="Banque de l’exploitant", en="The operator’s bank"),
            Words(
                fr="nom, IBAN et montant de chaque abonné à payer", en="name, IBAN and amount of each subscriber to pay"
            ),
            EUROPE,
            lambda settings: settings.payout_iban[:2] + "…" + settings.payout_iban[-4:] if settings.payout_iban else "",
        ),
        Recipient(
            "mail",
            Words(fr="Serveur de courriel", en="Mail server"),
            Words(fr="l’adresse et le texte de chaque courriel", en="the address and text of each letter"),
            AS_CHOSEN,
            lambda settings: _host_of(settings.smtp_url),
        ),
        Recipient(
            "vies",
            Words(fr="VIES, service de la Commission européenne", en="VIES, a service of the European Commission"),
            Words(fr="le numéro de TVA des partenaires", en="partners’ VAT numbers"),
            EUROPE,
            lambda settings: _host_of(settings.vies_url),
        ),
        Recipient(
            "tax",
            Words(fr="Administration fiscale, commissaire aux comptes", en="Tax administration, auditor"),
            Words(fr="les livres et les factures, sur demande", en="the books and invoices, when they ask"),
            EUROPE,
            lambda settings: settings.seller_siren,
        ),
    )
}
