"""The texts of the hosted pages in French and English, and the formats of amounts and times."""

from datetime import UTC, datetime

NO_BREAK, NARROW_NO_BREAK = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"
TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Pay {amount}",
        "setup_title": "Save a payment method",
        "local": "Local test payment",
        "no_money": "This page stands in for Stripe on this machine. No real money moves.",
        "summary": "What you pay for",
        "item": "Item",
        "amount": "Amount",
        "total": "Total",
        "reference": "Reference",
        "open_until": "Open until {time}",
        "choose": "Choose a test payment method",
        "pay": "Pay {amount}",
        "save": "Save this payment method",
        "cancel": "Cancel and go back",
        "declined": "The payment was declined",
        "try_again": "Choose another payment method and try again.",
        "paid_title": "Already paid",
        "paid": "This session is paid. You will not be charged again.",
        "pending_title": "Payment on its way",
        "pending": "The bank will answer in a few days. Nothing more is to be done here.",
        "continue": "Continue",
        "back": "Go back",
        "expired_title": "This payment session has expired",
        "expired": "You were not charged. Go back to the shop to start again.",
        "unknown_title": "No such payment session",
        "unknown": "The address names no payment session of this counterpart.",
        "authenticate_title": "Your bank asks you to confirm",
        "authenticate": "Payment of {amount}. In real life this page belongs to the bank that issued the card.",
        "agree": "Confirm the payment",
        "refuse": "Refuse",
        "onboard_title": "Open your payout account",
        "onboard": "In real life Stripe asks for an identity document and a bank account here.",
        "onboard_done": "Submit the information",
        "visa": "Card that works",
        "declined_card": "Card without enough money",
        "refused_card": "Card that is refused",
        "authentication": "Card to confirm at the bank",
        "disputed": "Card disputed later",
        "sepa": "SEPA debit that pays",
        "sepa_fails": "SEPA debit that fails",
        "transfer": "Bank transfer",
        "transfer_title": "Send the money by bank transfer",
        "transfer_note": "The payment is complete once the money has arrived with its reference.",
        "to_send": "Amount still to send",
        "ends": "ends in",
    },
    "fr": {
        "title": "Payer {amount}",
        "setup_title": "Enregistrer un moyen de paiement",
        "local": "Paiement d’essai local",
        "no_money": "Cette page remplace Stripe sur cette machine. Aucun argent réel ne circule.",
        "summary": "Ce que vous payez",
        "item": "Article",
        "amount": "Montant",
        "total": "Total",
        "reference": "Référence",
        "open_until": "Ouvert jusqu’au {time}",
        "choose": "Choisissez un moyen de paiement d’essai",
        "pay": "Payer {amount}",
        "save": "Enregistrer ce moyen de paiement",
        "cancel": "Annuler et revenir",
        "declined": "Le paiement a été refusé",
        "try_again": "Choisissez un autre moyen de paiement et recommencez.",
        "paid_title": "Déjà payé",
        "paid": "Cette session est payée. Rien d’autre ne sera prélevé.",
        "pending_title": "Paiement en cours",
        "pending": "La banque répondra dans quelques jours. Il n’y a plus rien à faire ici.",
        "continue": "Continuer",
        "back": "Revenir",
        "expired_title": "Cette session de paiement a expiré",
        "expired": "Rien n’a été prélevé. Revenez à la boutique pour recommencer.",
        "unknown_title": "Session de paiement inconnue",
        "unknown": "L’adresse ne désigne aucune session de paiement de ce service local.",
        "authenticate_title": "Votre banque vous demande de confirmer",
        "authenticate": "Paiement de {amount}. Dans la réalité, cette page est celle de la banque de la carte.",
        "agree": "Confirmer le paiement",
        "refuse": "Refuser",
        "onboard_title": "Ouvrir votre compte de versement",
        "onboard": "Dans la réalité, Stripe demande ici une pièce d’identité et un compte bancaire.",
        "onboard_done": "Donner tout ce qui est demandé",
        "visa": "Carte qui fonctionne",
        "declined_card": "Carte sans provision",
        "refused_card": "Carte refusée",
        "authentication": "Carte à confirmer",
        "disputed": "Carte contestée",
        "sepa": "SEPA, honoré",
        "sepa_fails": "SEPA, rejeté",
        "transfer": "Virement bancaire",
        "transfer_title": "Envoyez l’argent par virement",
        "transfer_note": "Le paiement est terminé une fois l’argent arrivé avec sa référence.",
        "to_send": "Montant à envoyer",
        "ends": "finit par",
    },
}
_DECLINES = {
    "en": {
        "insufficient_funds": "The card has insufficient funds.",
        "payment_intent_authentication_failure": "The payment was not confirmed.",
    },
    "fr": {
        "insufficient_funds": "La provision de la carte est insuffisante.",
        "payment_intent_authentication_failure": "Le paiement n’a pas été confirmé.",
    },
}
_ORDINARY_DECLINE = {"en": "The card was declined.", "fr": "La carte a été refusée."}
_SYMBOLS = {"eur": "€", "gbp": "£", "usd": "$"}


def choose_language(wanted: str | None, accepted: str) -> str:
    """Return "fr" or "en": the session's locale, or what the browser accepts when the session leaves it open."""
    chosen = wanted if wanted not in (None, "auto") else accepted
    return "fr" if (chosen or "").strip().lower().startswith("fr") else "en"


def write_amount(minor: int, currency: str, language: str) -> str:
    """Return an amount in cents as the language writes it: €1,234.50 or 1 234,50 €."""
    units, cents = divmod(abs(minor), 100)
    sign = "\N{MINUS SIGN}" if minor < 0 else ""
    symbol = _SYMBOLS.get(currency, currency.upper())
    if language == "fr":
        grouped = f"{units:,}".replace(",", NARROW_NO_BREAK)
        return f"{sign}{grouped},{cents:02d}{NO_BREAK}{symbol}"
    gap = "" if currency in _SYMBOLS else NO_BREAK
    return f"{sign}{symbol}{gap}{units:,}.{cents:02d}"


def write_time(moment: int, language: str) -> str:
    """Return a moment in Unix seconds as the language writes it, in UTC."""
    at = datetime.fromtimestamp(moment, UTC)
    if language == "fr":
        return f"{at:%d/%m/%Y} à {at:%H}{NO_BREAK}h{NO_BREAK}{at:%M} UTC"
    return f"{at.day} {at:%B %Y} at {at:%H:%M} UTC"


def explain_decline(error: dict[str, object], language: str) -> str:
    """Return the reason for a decline, as a sentence for the payer."""
    reason = str(error.get("decline_code") or error.get("code"))
    return _DECLINES[language].get(reason, _ORDINARY_DECLINE[language])
