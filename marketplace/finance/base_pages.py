"""What finance's page files share: pages that know why something is unmatched, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.finance.words import ADVICE, SENTENCES
from marketplace.ledger.base_pages import books_page
from marketplace.web.i18n import gettext

if TYPE_CHECKING:
    from litestar.response import Template


def why(row: Any) -> str:  # noqa: ANN401 (a row)
    """Return why something is unmatched, in words."""
    return gettext(SENTENCES[row["why"]]) % {"detail": row["detail"]}


def advice(row: Any) -> str:  # noqa: ANN401 (a row)
    """Return what finance does about something unmatched."""
    return gettext(ADVICE[row["why"]])


def finance_page(template: str, **context: Any) -> Template:  # noqa: ANN401 (what its template shows)
    """Answer with a page of finance's, which knows the words of the trade."""
    return books_page(f"finance/{template}", why=why, advice=advice, **context)
