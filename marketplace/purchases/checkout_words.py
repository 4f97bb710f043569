"""What a payer reads on Stripe's page, in the language of the page that they order on."""

from __future__ import annotations

from marketplace.purchases.rules import CheckoutWords
from marketplace.web.i18n import gettext, language


def checkout_words() -> CheckoutWords:
    """Return the words in the visitor's language."""
    return CheckoutWords(language.get(), gettext("{months}-month licence of {dataset}"), gettext("VAT"))
