"""The chart of accounts: the codes our postings name, with their titles; every `migrate` writes it into the books.

Source: the French plan comptable général (ANC 2014-03), classes 4 to 8.
"""

from __future__ import annotations

from typing import Final

SUPPLIERS: Final = "401000"
PARTNERS: Final = "411000"
ON_CREDIT: Final = "411500"
DISPUTES: Final = "416000"
ADVANCES: Final = "419100"
VAT_DUE_ABROAD: Final = "445200"
VAT_DEDUCTIBLE: Final = "445660"
VAT_COLLECTED: Final = "445710"
VAT_RECLAIMED: Final = "445711"
SUBSCRIBERS_HELD: Final = "467100"
SUBSCRIBERS_PAYABLE: Final = "467200"
OPERATOR_PAYABLE: Final = "467300"
SUBSCRIBERS_IN_TRANSIT: Final = "467400"
BILL_CREDITS: Final = "467500"
GIFTS: Final = "467600"
BENEFITS: Final = "467700"
SUSPENSE: Final = "471000"
PROVISIONS: Final = "491000"
BANK: Final = "512100"
STRIPE: Final = "517000"
TRANSFERS: Final = "580000"
FEES_OF_THIRD_PARTIES: Final = "622000"
STRIPE_FEES: Final = "627000"
BANK_CHARGES: Final = "627800"
SUBSCRIBERS_SHARES: Final = "651000"
OPERATOR_SHARE: Final = "651100"
LOSSES: Final = "654000"
DIFFERENCES_LOST: Final = "658000"
INTEREST_PAID: Final = "661600"
PROVISIONS_MADE: Final = "681740"
LICENCES_SOLD: Final = "706000"
DIFFERENCES_GAINED: Final = "758000"
FORFEITED_DEPOSITS: Final = "758100"
PENALTIES: Final = "758200"
INTEREST_EARNED: Final = "768000"
PROVISIONS_RELEASED: Final = "781740"
OPENING_BALANCES: Final = "890000"

VAT: Final = (VAT_COLLECTED, VAT_RECLAIMED, VAT_DEDUCTIBLE, VAT_DUE_ABROAD)
"""What is settled with the tax office, month by month."""

TITLES: Final = {
    SUPPLIERS: ("Fournisseurs", "Suppliers"),
    PARTNERS: ("Clients – partenaires", "Partners"),
    ON_CREDIT: ("Clients – ventes à crédit", "Partners – sales on credit"),
    DISPUTES: ("Clients – paiements contestés", "Disputed payments"),
    ADVANCES: ("Clients – avances reçues", "Advances received from partners"),
    VAT_DUE_ABROAD: ("TVA due intracommunautaire", "VAT due within the EU"),
    VAT_DEDUCTIBLE: ("TVA déductible sur biens et services", "VAT deductible"),
    VAT_COLLECTED: ("TVA collectée", "VAT collected"),
    VAT_RECLAIMED: ("TVA récupérée sur créances irrécouvrables", "VAT reclaimed of bad debts"),
    SUBSCRIBERS_HELD: ("Abonnés – parts retenues", "Subscribers – shares held"),
    SUBSCRIBERS_PAYABLE: ("Abonnés – parts à payer", "Subscribers – shares payable"),
    OPERATOR_PAYABLE: ("Opérateur – part à payer", "Operator – share payable"),
    SUBSCRIBERS_IN_TRANSIT: ("Abonnés – virements en cours", "Subscribers – transfers under way"),
    BILL_CREDITS: ("Abonnés – crédits sur facture en cours", "Subscribers – bill credits under way"),
    GIFTS: ("Associations – dons à verser", "Associations – gifts to pay"),
    BENEFITS: ("Abonnés – avantages en cours", "Subscribers – benefits under way"),
    SUSPENSE: ("Compte d’attente", "Not yet explained"),
    PROVISIONS: ("Dépréciations des comptes de clients", "Provisions for doubtful debts"),
    BANK: ("Banque – compte courant", "Bank – current account"),
    STRIPE: ("Stripe – solde", "Stripe balance"),
    TRANSFERS: ("Virements internes", "Transfers under way"),
    FEES_OF_THIRD_PARTIES: ("Rémunérations d’intermédiaires et honoraires", "Fees of third parties"),
    STRIPE_FEES: ("Frais de Stripe", "Stripe fees"),
    BANK_CHARGES: ("Autres frais et commissions bancaires", "Bank charges"),
    SUBSCRIBERS_SHARES: ("Parts des abonnés", "Subscribers’ shares"),
    OPERATOR_SHARE: ("Part de l’opérateur", "Operator’s share"),
    LOSSES: ("Pertes sur créances", "Losses"),
    DIFFERENCES_LOST: ("Charges diverses de gestion courante", "Differences lost"),
    INTEREST_PAID: ("Intérêts bancaires", "Bank interest paid"),
    PROVISIONS_MADE: ("Dotations aux dépréciations des créances", "Provisions made"),
    LICENCES_SOLD: ("Licences vendues", "Licences sold"),
    DIFFERENCES_GAINED: ("Produits divers de gestion courante", "Differences gained"),
    FORFEITED_DEPOSITS: ("Dédits d’enchères", "Forfeited auction deposits"),
    PENALTIES: ("Pénalités d’enchères impayées", "Penalties for unpaid awards"),
    INTEREST_EARNED: ("Autres produits financiers", "Interest earned"),
    PROVISIONS_RELEASED: ("Reprises sur dépréciations des créances", "Provisions released"),
    OPENING_BALANCES: ("Bilan d’ouverture", "Opening balances"),
}
"""Code → French and English title."""
HEADINGS = {
    "1": "Capital",
    "2": "Fixed assets",
    "3": "Stocks",
    "4": "Third parties",
    "5": "Financial accounts",
    "6": "Costs",
    "7": "Income",
    "8": "Special accounts",
}
"""First digit of a code → what the accounts of that class are."""
