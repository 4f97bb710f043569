"""Languages: French and English. English sentences are the message ids; each package's `fr.po` translates its own.

The language of a page is the first part of its path (`/fr/…`, `/en/…`); the API has none and reads Accept-Language.
"""

from __future__ import annotations

import functools
import re
from contextvars import ContextVar
from typing import Final

from marketplace.core.words import french_texts

LANGUAGES: Final = ("fr", "en")
LOCALES: Final = {"fr": "fr_FR", "en": "en_GB"}
language: ContextVar[str] = ContextVar("language", default="en")


@functools.cache
def french() -> dict[str, str]:
    """Return every package's translations as pages show them: English message → French."""
    return {message: typeset(text) for message, text in french_texts().items()}


def typeset(french_text: str) -> str:
    """Keep French punctuation with its word by no-break spaces, so that files may have plain ones."""
    kept = re.sub(r" (?=[;?!](?:\s|$))", "\u202f", french_text)
    return re.sub(r" (?=:(?:\s|$)|»)|(?<=«) ", "\u00a0", kept)


def gettext(message: str) -> str:
    """Return `message` in the page's language; an untranslated one stays English."""
    if language.get() == "fr":
        return french().get(message) or message
    return message


def ngettext(one: str, many: str, count: int) -> str:
    """Return the form for `count`: French uses the singular below 2, English for exactly 1."""
    singular = abs(count) < 2 if language.get() == "fr" else abs(count) == 1  # noqa: PLR2004 (the rule's own number)
    return gettext(one if singular else many)


def preferred(accept_language: str) -> str:
    """Return the first language of an Accept-Language header that the site has, otherwise French.

    Weights are honoured; malformed parts are skipped.
    """
    wishes: list[tuple[float, int, str]] = []
    for position, part in enumerate(accept_language.split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((-float(weight or 1), position, tag[:2].lower()))
        except ValueError:
            continue
    return next((tag for _, _, tag in sorted(wishes) if tag in LANGUAGES), LANGUAGES[0])
