"""The manual's pages: its table of contents, and each page with those before and after it."""

from __future__ import annotations

from importlib.resources import files

from litestar import Response, get
from litestar.params import FromPath  # noqa: TC002 (read at run time)
from litestar.response import Template  # noqa: TC002

from marketplace.core.web.i18n import language
from marketplace.core.web.pages import download, page
from marketplace.money.ledger.base_pages import Text  # noqa: TC001 (read at run time)
from marketplace.people.identity.guards import expect
from marketplace.site.docs import manual

NOTEBOOK = "application/x-ipynb+json"


@get("/docs", opt=expect("anyone"))
async def table_of_contents(words: Text = "") -> Template:
    """Show the table of contents, or the pages that have all of some words."""
    found = manual.search_pages(words, language.get()) if words.strip() else []
    return page("docs/contents.html", contents=manual.contents(language.get()), words=words, found=found)


@get("/docs/{part:str}/{name:str}", opt=expect("anyone", stranger=200))
async def manual_page(part: FromPath[str], name: FromPath[str]) -> Template:
    """Show one page of the manual, in the reader's language where it is written in that."""
    shown = manual.read_page(part, name, language.get())
    before, after = manual.find_neighbours(part, name, language.get())
    return page("docs/page.html", shown=shown, before=before, after=after, contents=manual.contents(language.get()))


@get("/docs/buying.ipynb", opt=expect("anyone"))
async def notebook() -> Response[bytes]:
    """Send the notebook that buys by program."""
    return download("buying.ipynb", (files(__package__) / "partner/buying.ipynb").read_bytes(), NOTEBOOK)


ROUTES = [notebook, table_of_contents, manual_page]
