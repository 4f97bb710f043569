"""The payer's words on Stripe's page, in the language of the page on which they order."""

from __future__ import annotations

from marketplace.core.web.i18n import gettext, language
from marketplace.sales.orders.rules import CheckoutWords


def checkout_words() -> CheckoutWords:
    """Return the words in the visitor's language."""
    return CheckoutWords(language.get(), gettext("{months}-month licence of {dataset}"), gettext("VAT"))
