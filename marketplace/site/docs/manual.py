"""Read the manual: the list of pages, and each page as HTML. A page is a Markdown file `<part>/<name>.md`.

A page's first line is its title, `# …`, and its first paragraph is its summary. An image whose file is next to the page
is inlined, so that its colours follow the site's light and dark; its own style is used when it is shown alone.
"""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from msgspec import Struct

from marketplace.core.errors import NotFound

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from markdown_it.token import Token

PARTS: Final = {
    "partner": (
        "programs",
        "files-and-links",
        "delta-sharing",
        "population-density",
        "webhooks",
        "licences",
        "bucket",
        "sandbox",
        "public-log",
    ),
    "operator": (
        "going-live",
        "files",
        "lines-and-consents",
        "stripe",
        "einvoicing",
        "payee-names",
        "bank",
        "roles",
        "security",
        "identity-providers",
        "sandbox",
        "keys",
        "public-log",
        "sizing",
        "monitoring",
        "backup",
        "rights",
        "upgrade",
        "trouble",
    ),
    "developer": (
        "architecture",
        "districts",
        "where-a-line-belongs",
        "glossary",
        "decisions",
        "life-of-an-event",
        "life-of-a-euro",
        "month-close",
        "life-of-a-bid",
        "price",
        "storage",
        "add-a-job",
        "add-a-product",
        "add-an-auction-kind",
        "add-an-export",
        "add-an-exception",
        "add-a-decision",
        "add-a-message",
        "migrations",
        "releasing",
        "changelog",
    ),
    "reference": ("commands", "settings", "jobs", "routes", "personal-data"),
}
"""Each part of the manual and its pages, in reading order."""


class Summary(Struct, frozen=True):
    """A page as the table of contents lists it."""

    part: str
    name: str
    title: str
    about: str


class Page(Struct, frozen=True):
    """A page of the manual; `html` is safe to show as it is."""

    part: str
    name: str
    title: str
    html: Markup


def text_of(part: str, name: str) -> str:
    """Return a page's Markdown; NotFound if the manual has no such page."""
    if name not in PARTS.get(part, ()):
        raise NotFound("The manual has no such page.")
    return _folder(part).joinpath(f"{name}.md").read_text("utf-8")


@functools.cache
def contents() -> list[Summary]:
    """Return every page with its title and its first paragraph, in reading order."""
    return [_summary(part, name) for part, names in PARTS.items() for name in names]


@functools.cache
def read_page(part: str, name: str) -> Page:
    """Return a page as HTML; NotFound if the manual has no such page."""
    text = text_of(part, name)
    title, _, body = text.partition("\n")
    return Page(part, name, title.removeprefix("# ").strip(), Markup(_renderer(part).render(body)))  # noqa: S704 (our own files)


def _summary(part: str, name: str) -> Summary:
    title, _, body = text_of(part, name).partition("\n")
    return Summary(part, name, title.removeprefix("# ").strip(), _plain(body.strip().split("\n\n", 1)[0]))


def _plain(markdown: str) -> str:
    """Return a paragraph's words without Markdown."""
    [paragraph] = MarkdownIt().parseInline(markdown)
    return " ".join("".join(piece.content or " " for piece in paragraph.children or () if piece.nesting == 0).split())


def _folder(part: str) -> Traversable:
    return files(__package__).joinpath(part)


def _renderer(part: str) -> MarkdownIt:
    """Return a renderer of Markdown with tables, linkable headings, scrollable code, and inlined pictures of `part`."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def heading_open(tokens: list[Token], at: int, *_: object) -> str:
        anchor = re.sub(r"[^a-z0-9]+", "-", tokens[at + 1].content.lower()).strip("-")
        return f'<{tokens[at].tag} id="{anchor}">'

    def image(tokens: list[Token], at: int, *_: object) -> str:
        source = str(tokens[at].attrs["src"])
        assert re.fullmatch(r"[a-z-]+\.svg", source), f"{source} is not a picture beside the page"
        svg = re.sub(r"<style>.*?</style>\n?", "", _folder(part).joinpath(source).read_text("utf-8"), flags=re.DOTALL)
        label = escape(tokens[at].content)
        return f'<span class="scroll picture-of" tabindex="0" role="group" aria-label="{label}">{svg}</span>'

    def fence(tokens: list[Token], at: int, *_: object) -> str:
        info = tokens[at].info.split(maxsplit=1)
        kind = f' class="language-{escape(info[0])}"' if info else ""
        return f'<pre tabindex="0"><code{kind}>{escape(tokens[at].content)}</code></pre>\n'

    def table_open(*_: object) -> str:
        return '<div class="scroll" tabindex="0"><table>'

    def table_close(*_: object) -> str:
        return "</table></div>"

    markdown.renderer.rules |= {  # type: ignore[attr-defined]
        "heading_open": heading_open,
        "image": image,
        "fence": fence,
        "table_open": table_open,
        "table_close": table_close,
    }
    return markdown
