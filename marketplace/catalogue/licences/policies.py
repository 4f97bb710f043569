"""A licence as a structure: allowed uses, purposes, buyers, places and duration. Everything else is derived.

The five lines, the `odrl` document and the refusals of `find_refused` agree, since all come from the same fields.
Access ends with the licence; the buyer keeps what it made.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from babel import Locale
from msgspec import Struct

from marketplace.consent.switches.rules import SECTORS
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core.errors import Invalid
from marketplace.core.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RIGHTS: Final = ("internal", "publish", "resell")
"""Allowed uses of figures: inside the company; publishing too; or inside each company that the buyer names."""
COUNTRY: Final = re.compile(r"[A-Z]{2}")
MOST_COUNTRIES: Final = 60
LONGEST_WORD: Final = 1_000


class Policy(Struct, frozen=True):
    """What a licence allows; empty purposes, sectors and countries mean all."""

    right: str
    """One of `RIGHTS`."""
    months: int
    """How long access lasts unless its partner chooses another length."""
    purposes: tuple[str, ...] = ()
    """Of `dpv.PURPOSES`."""
    sectors: tuple[str, ...] = ()
    """Sectors of buyers, as the dataset declares them: people let some data be sold to some sectors only."""
    countries: tuple[str, ...] = ()
    """Countries where the buyer may be established, by ISO 3166-1."""


class LicenceText(Struct, frozen=True):
    """The five lines of licence terms, and the sectors to which people let a dataset be sold; empty: all."""

    lines_fr: str
    lines_en: str
    sectors: list[str]

    def text(self, language: str) -> list[str]:
        """Return the lines, then the sectors where there are some: they bind each later holder of the figures too."""
        lines = (self.lines_fr if language == "fr" else self.lines_en).splitlines()
        names = ", ".join(SECTORS[sector].filled(language, {}) for sector in self.sectors)
        return [*lines, BOUND.filled(language, {"sectors": names})] if names else lines


class Use(Struct, frozen=True):
    """A buyer's intended use; unstated fields are empty."""

    right: str = "internal"
    """One of `RIGHTS`."""
    purpose: str = ""
    sector: str | None = None
    country: str = ""


def find_refused(policy: Policy, use: Use) -> str | None:
    """Return the first clause that a use violates (right, purpose, sector or country), or None.

    A use without a purpose violates terms that name purposes.
    """
    clauses = {
        "right": use.right in {"internal", policy.right},
        "purpose": not policy.purposes or use.purpose in policy.purposes,
        "sector": not policy.sectors or use.sector in policy.sectors,
        "country": not policy.countries or use.country in policy.countries,
    }
    return next((clause for clause, is_met in clauses.items() if not is_met), None)


MAY: Final[Mapping[str, Words]] = {
    "internal": Words(
        "You may analyse and use the figures inside your company; you may not publish them or pass them on."
    ),
    "publish": Words(
        "You may analyse, publish and display the figures, also in your products, naming Partage; you may not resell them as they are."
    ),
    "resell": Words(
        "You may pass on the figures, naming Partage, to the companies named in your quote, each for use inside it; your own is one of them if you name it, or nobody."
    ),
}
BOUND: Final = Words("Only for these sectors, and for nobody else who gets the figures from you: {sectors}.")
ANY_PURPOSE: Final = Words("For any purpose")
SOME_PURPOSES: Final = Words("For these purposes alone: {purposes}")
ANYWHERE: Final = Words("{purposes}, wherever your company is.")
SOMEWHERE: Final = Words("{purposes}; only for companies established in: {countries}.")
NOBODY: Final = Words("You do not try to recognise anyone, nor to remove the noise.")
LASTS: Final = Words("Access lasts as long as your licence; what you made stays yours.")
RECALL: Final = Words("Should a release be recalled, you stop using it, delete your copies and confirm that.")


def five_lines(policy: Policy, language: str) -> str:
    """Return a policy for buyers in five lines; language: fr or en.

    Sectors belong to the dataset, and follow as a line of their own: `LicenceText.text`.
    """
    names = [PURPOSES[code].filled(language, {}) for code in policy.purposes]
    places = Locale(language).territories
    purposes = (
        SOME_PURPOSES.filled(language, {"purposes": ", ".join(names)}) if names else ANY_PURPOSE.filled(language, {})
    )
    where = SOMEWHERE if policy.countries else ANYWHERE
    countries = ", ".join(str(places.get(code, code)) for code in policy.countries)
    given = {"purposes": purposes} | ({"countries": countries} if policy.countries else {})
    lines = (
        MAY[policy.right].filled(language, {}),
        where.filled(language, given),
        NOBODY.filled(language, {}),
        LASTS.filled(language, {}),
        RECALL.filled(language, {}),
    )
    return "\n".join(lines)


def read_policy(right: str, months: int, *, purposes: Sequence[str], countries: str) -> Policy:
    """Return a steward's policy; countries: codes separated by spaces or commas. Refuses unlisted values."""
    if right not in RIGHTS:
        raise Invalid("There is no such right of use.", field="right")
    if set(purposes) - PURPOSES.keys():
        raise Invalid("Choose purposes from the list.", field="purposes")
    codes = sorted(set(re.split(r"[\s,;]+", countries[:LONGEST_WORD].upper().strip(" ,;\n"))) - {""})
    known = Locale("en").territories
    if len(codes) > MOST_COUNTRIES or not all(COUNTRY.fullmatch(code) and code in known for code in codes):
        raise Invalid("Write countries by their two letters, such as FR, BE.", field="countries")
    chosen = tuple(code for code in PURPOSES if code in purposes)
    return Policy(right, months, chosen, (), tuple(codes))
