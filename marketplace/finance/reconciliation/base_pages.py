"""What finance's page files share: pages that know why something is unmatched, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.core.web.pages import in_words
from marketplace.finance.reconciliation.exceptions.registry import EXCEPTIONS
from marketplace.money.ledger.base_pages import books_page

if TYPE_CHECKING:
    from litestar.response import Template


def why(code: str, detail: str = "") -> str:
    """Return why something is unmatched, in words."""
    return in_words(EXCEPTIONS[code].sentence, detail=detail)


def advice(code: str) -> str:
    """Return what finance does about something unmatched."""
    return in_words(EXCEPTIONS[code].advice)


def finance_page(template: str, **context: Any) -> Template:  # noqa: ANN401 (what its template shows)
    """Answer with a page of finance's, which knows the words of the trade."""
    return books_page(f"reconciliation/{template}", why=why, advice=advice, **context)
