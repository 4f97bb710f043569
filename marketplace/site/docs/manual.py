"""Read the manual: the list of pages, each page as HTML, and what pages say of some words.

A page is a Markdown file `<part>/<name>.md`; where there is `<part>/<name>.fr.md`, French readers get that.

A page's first line is its title, `# …`, and its first paragraph is its summary. An image whose file is next to the page
is inlined, so that its colours follow the site's light and dark; its own style is used when it is shown alone.
"""

from __future__ import annotations

import functools
import re
import unicodedata
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
    "subscriber": ("your-choice", "your-money"),
    "steward": ("first-sale", "prices"),
    "finance": ("day", "month"),
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


LANGUAGES: Final = ("en", "fr")
LEAST_LETTERS: Final = 2
"""Of a word that is searched."""
MOST_FOUND: Final = 30


class Summary(Struct, frozen=True):
    """A page as the table of contents lists it; `language` is the one that it is in."""

    part: str
    name: str
    title: str
    about: str
    language: str


class Page(Struct, frozen=True):
    """A page of the manual; `html` is safe to show as it is."""

    part: str
    name: str
    title: str
    html: Markup
    language: str


def text_of(part: str, name: str, language: str = "en") -> str:
    """Return a page's Markdown, in English where it is not written in the language; NotFound if the manual has no such page."""
    if name not in PARTS.get(part, ()):
        raise NotFound("The manual has no such page.")
    ending = ".fr.md" if language_of(part, name, language) == "fr" else ".md"
    return _folder(part).joinpath(f"{name}{ending}").read_text("utf-8")


def language_of(part: str, name: str, language: str) -> str:
    """Return the language in which a page is shown to readers of one."""
    return "fr" if language == "fr" and _folder(part).joinpath(f"{name}.fr.md").is_file() else "en"


@functools.cache
def contents(language: str = "en") -> list[Summary]:
    """Return every page with its title and its first paragraph, in reading order."""
    return [_summary(part, name, language) for part, names in PARTS.items() for name in names]


@functools.cache
def read_page(part: str, name: str, language: str = "en") -> Page:
    """Return a page as HTML; NotFound if the manual has no such page."""
    text = text_of(part, name, language)
    title, _, body = text.partition("\n")
    html = Markup(_renderer(part).render(body))  # noqa: S704 (our own files)
    return Page(part, name, title.removeprefix("# ").strip(), html, language_of(part, name, language))


def find_neighbours(part: str, name: str, language: str) -> tuple[Summary | None, Summary | None]:
    """Return the pages before and after one in its part; None where it is the first or the last."""
    of_part = [one for one in contents(language) if one.part == part]
    at = next(number for number, one in enumerate(of_part) if one.name == name)
    return (of_part[at - 1] if at else None, of_part[at + 1] if at + 1 < len(of_part) else None)


def search_pages(words: str, language: str) -> list[Summary]:
    """Return the pages that have all of these words, without regard to case and accents: titles first, then by how often."""
    wanted = [folded for word in words.split() if len(folded := _folded(word)) >= LEAST_LETTERS]
    found = []
    for number, one in enumerate(contents(language) if wanted else ()):
        title, text = _folded(one.title), _folded_page(one.part, one.name, language)
        if all(word in text for word in wanted):
            in_title = sum(word in title for word in wanted)
            found.append((-in_title, -sum(text.count(word) for word in wanted), number, one))
    return [one for *_, one in sorted(found, key=lambda row: row[:3])][:MOST_FOUND]


@functools.cache
def _folded_page(part: str, name: str, language: str) -> str:
    return _folded(text_of(part, name, language))


def _folded(text: str) -> str:
    """Return a text in small letters, without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(sign))


def _summary(part: str, name: str, language: str) -> Summary:
    title, _, body = text_of(part, name, language).partition("\n")
    about = _plain(body.strip().split("\n\n", 1)[0])
    return Summary(part, name, title.removeprefix("# ").strip(), about, language_of(part, name, language))


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
