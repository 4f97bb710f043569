"""The words of invoices, in French and English: which VAT and why, payment, and what French law requires.

Source: French commercial code, articles L441-9, L441-10 and D441-5; French tax code, article 242 nonies A of annex II.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from marketplace.core.web import formats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VAT_REASONS: Final = {
    "reverse_charge": {
        "fr": "Autoliquidation : TVA due par le preneur, article 283-2 du CGI, article 196 de la directive 2006/112/CE",
        "en": "Reverse charge: VAT is due by the customer, article 196 of Directive 2006/112/EC",
    },
    "outside_eu": {
        "fr": "TVA non applicable : preneur établi hors de l’Union européenne, article 259-1° du CGI",
        "en": "Outside the scope of French VAT: customer established outside the European Union, article 259-1° CGI",
    },
    "overseas_exempt": {
        "fr": "TVA non applicable en Guyane et à Mayotte, article 294-1 du CGI",
        "en": "VAT is not applied in French Guiana and Mayotte, article 294-1 CGI",
    },
}
"""Why no VAT is charged."""
WORDS: Final[dict[str, dict[str, str]]] = {
    "fr": {
        "invoice": "Facture",
        "credit_note": "Avoir",
        "issued": "du {day}",
        "corrects": "rectifie la facture {number} du {day}",
        "order": "commande {order}",
        "seller": "Vendeur",
        "buyer": "Client",
        "siren": "SIREN {siren}",
        "vat_number": "TVA {number}",
        "reference": "Votre référence : {reference}",
        "ordered_by": "Commandé par {name}",
        "approved_by": "Approuvé par {name}",
        "licence": "Licence d’utilisation de données agrégées : {title}",
        "period": "Données du {first} au {last}",
        "length": ", licence de {months} mois",
        "what": "Désignation",
        "quantity": "Qté",
        "unit": "Prix unitaire HT",
        "net": "Total HT",
        "vat": "TVA {rate}",
        "no_vat": "TVA",
        "total": "Total TTC",
        "settled": "Déjà réglé",
        "given_back": "Déjà remboursé",
        "due": "Net à payer",
        "delivered": "Date de la prestation : {day}",
        "paid": "Réglée à la commande par l’intermédiaire de Stripe : rien n’est à payer.",
        "to_pay": "À payer par virement au plus tard le {day}, en indiquant la référence {order}.",
        "to_pay_at": "Compte à créditer : {iban}, au nom de {name}.",
        "set_off": "Déduit de ce que doit la commande {order} ; ce qui en a déjà été payé au-delà vous est viré en retour.",
        "deducted": "Déduit",
        "refunded": "Remboursé par l’intermédiaire de Stripe sur le moyen de paiement d’origine.",
        "late": "En cas de retard de paiement : pénalités au taux de trois fois l’intérêt légal, exigibles sans rappel.",
        "recovery": "Indemnité forfaitaire pour frais de recouvrement en cas de retard : 40 €.",
        "discount": "Pas d’escompte pour paiement anticipé.",
        "machine": "Ce document contient la même facture pour machines : Factur-X, profil EN 16931.",
    },
    "en": {
        "invoice": "Invoice",
        "credit_note": "Credit note",
        "issued": "of {day}",
        "corrects": "corrects invoice {number} of {day}",
        "order": "order {order}",
        "seller": "Seller",
        "buyer": "Customer",
        "siren": "SIREN {siren}",
        "vat_number": "VAT {number}",
        "reference": "Your reference: {reference}",
        "ordered_by": "Ordered by {name}",
        "approved_by": "Approved by {name}",
        "licence": "Licence to use aggregate data: {title}",
        "period": "Data from {first} to {last}",
        "length": ", {months}-month licence",
        "what": "Description",
        "quantity": "Qty",
        "unit": "Unit price before VAT",
        "net": "Total before VAT",
        "vat": "VAT {rate}",
        "no_vat": "VAT",
        "total": "Total",
        "settled": "Already paid",
        "given_back": "Already refunded",
        "due": "Amount due",
        "delivered": "Date of supply: {day}",
        "paid": "Paid with the order through Stripe: nothing is due.",
        "to_pay": "To be paid by bank transfer until {day}, with the reference {order}.",
        "to_pay_at": "Account to credit: {iban}, held by {name}.",
        "set_off": "Deducted from what order {order} owes; what was paid beyond that is transferred back to you.",
        "deducted": "Deducted",
        "refunded": "Refunded through Stripe to the original means of payment.",
        "late": "Late payment: penalties at three times the French legal interest rate, due without reminder.",
        "recovery": "Fixed compensation for recovery costs in case of late payment: €40.",
        "discount": "No discount for early payment.",
        "machine": "This file contains the same invoice for machines: Factur-X, profile EN 16931.",
    },
}
"""A document's language is its partner's, not that of the page that requests it."""


def phrase(document: Mapping[str, Any], word: str, **values: str) -> str:
    """Return one of the words in the document's language."""
    return WORDS[document["language"]][word].format(**values)


def day(text: str) -> str:
    """Write an ISO date in the language that is set."""
    return formats.date(dt.date.fromisoformat(text), "long")


def line_words(
    document: Mapping[str, Any], line: Mapping[str, Any], write: Callable[[str], str] = str
) -> tuple[str, str]:
    """Return the description of a line: its title, the days of its data (last included), the licence's length."""
    last = dt.datetime.fromisoformat(line["until"]) - dt.timedelta(microseconds=1)
    words = phrase(document, "period", first=write(line["from"]), last=write(last.date().isoformat()))
    words += phrase(document, "length", months=str(line["months"]))
    return phrase(document, "licence", title=line[f"title_{document['language']}"]), words


def notes(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the sentences under the figures."""
    seller = document["seller"]
    return {
        "paid": _payment(document),
        "late": phrase(document, "late"),
        "recovery": phrase(document, "recovery"),
        "discount": phrase(document, "discount"),
        "register": f"{seller['name']}, {seller['legal']}",
        "vat_number": phrase(document, "vat_number", number=seller["vat_number"]),
    }


def is_due(document: Mapping[str, Any]) -> bool:
    """Return whether the document requests payment: the invoice of a sale on credit."""
    return "due_on" in document and document["kind"] == "invoice"


def _payment(document: Mapping[str, Any]) -> str:
    """Return how a document is paid, or was."""
    correcting = document["kind"] == "credit_note"
    if "due_on" not in document:
        return phrase(document, "refunded" if correcting else "paid")
    if correcting:
        return phrase(document, "set_off", order=document["order"])
    text = phrase(document, "to_pay", day=day(document["due_on"]), order=document["order"])
    return f"{text} {phrase(document, 'to_pay_at', **document['pay_to'])}" if document["pay_to"]["iban"] else text
