"""The chart of accounts: the codes our postings name, with their titles; a migration writes it into the books.

Source: the French plan comptable général (ANC 2014-03), classes 4 to 7.
"""

from __future__ import annotations

from typing import Final

PARTNERS: Final = "411000"
DISPUTES: Final = "416000"
VAT_COLLECTED: Final = "445710"
SUBSCRIBERS_HELD: Final = "467100"
SUBSCRIBERS_PAYABLE: Final = "467200"
OPERATOR_PAYABLE: Final = "467300"
BANK: Final = "512000"
STRIPE: Final = "517000"
TRANSFERS: Final = "580000"
STRIPE_FEES: Final = "627000"
SUBSCRIBERS_SHARES: Final = "651000"
OPERATOR_SHARE: Final = "651100"
LOSSES: Final = "654000"
LICENCES_SOLD: Final = "706000"

TITLES: Final = {
    PARTNERS: ("Clients – partenaires", "Partners"),
    DISPUTES: ("Clients – paiements contestés", "Disputed payments"),
    VAT_COLLECTED: ("TVA collectée", "VAT collected"),
    SUBSCRIBERS_HELD: ("Abonnés – parts retenues", "Subscribers – shares held"),
    SUBSCRIBERS_PAYABLE: ("Abonnés – parts à payer", "Subscribers – shares payable"),
    OPERATOR_PAYABLE: ("Opérateur – part à payer", "Operator – share payable"),
    BANK: ("Banque", "Bank"),
    STRIPE: ("Stripe – solde", "Stripe balance"),
    TRANSFERS: ("Virements internes", "Transfers under way"),
    STRIPE_FEES: ("Frais de Stripe", "Stripe fees"),
    SUBSCRIBERS_SHARES: ("Parts des abonnés", "Subscribers’ shares"),
    OPERATOR_SHARE: ("Part de l’opérateur", "Operator’s share"),
    LOSSES: ("Pertes sur créances", "Losses"),
    LICENCES_SOLD: ("Licences vendues", "Licences sold"),
}
"""Code → French and English title."""
