"""What an offer and its terms must say to be priced, and what each step of a price says on its page."""

from __future__ import annotations

import pytest

from marketplace.catalogue.offers import actions
from marketplace.core.errors import Invalid
from tests.catalogue.builders import TERMS, make_vetted_partner, open_catalogue, seal_week
from tests.people.builders import Browser, page_text

SENTENCES = {
    "en": (
        "The figures cover 7 days: longer costs more, in proportion.",
        "of the 98 possible figures are published; you do not pay for those withheld.",
        "600 of 1,000 subscribers consent",
        "they say as much as",
        "moves a figure by about ± 3",
        "worth 80% of every right there is",
        "The licence ends after 12 months",
        "No licence is sold below €150.00.",
    ),
    "fr": (
        "Les chiffres couvrent 7 jours : plus long coûte plus cher, à proportion.",
        "des 98 chiffres possibles sont publiés",
        "ils en disent autant que",
        "vaut 80 % de tous les droits possibles",
        "La licence prend fin au bout de 12 mois",
    ),
}
"""Of what each step says, in both languages."""


async def test_an_offer_or_terms_that_cannot_be_priced_are_refused() -> None:
    await open_catalogue()
    for days in (0, 367):
        with pytest.raises(Invalid, match="between 1 and 366 days"):
            await actions.list_offer(
                "lyon", terms=TERMS, full_worth_minor=1, floor_minor=1, cap_minor=1, worth_days=days
            )
    for right in ("", "everything"):
        with pytest.raises(Invalid, match="no such right"):
            await actions.define_terms("other-1", months=1, lines_fr="Un", lines_en="One", right=right)


async def test_every_step_is_explained() -> None:
    await open_catalogue()
    await seal_week()
    await make_vetted_partner()
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        for language, sentences in SENTENCES.items():
            seen = page_text(await browser.get(f"/{language}/datasets/lyon"))
            assert [sentence for sentence in sentences if sentence not in seen] == []
