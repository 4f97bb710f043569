"""Pages: the template environment, and the context of every page (language, signed-in actor, address)."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from jinja2.runtime import Context
from jinja2.utils import internalcode
from litestar.params import QueryParameter
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Response, Template
from litestar.status_codes import HTTP_303_SEE_OTHER
from markupsafe import Markup
from msgspec import Struct

from marketplace.core.errors import Cents
from marketplace.core.settings import settings
from marketplace.core.web import area_maps, charts, formats, maps
from marketplace.core.web.i18n import LANGUAGES, gettext, language, ngettext, typeset
from marketplace.core.web.navigation import current_link, navigation
from marketplace.core.words import PACKAGE
from pricing.money import EUR

if TYPE_CHECKING:
    from marketplace.core.errors import Refusal
    from marketplace.core.words import Bilingual, Words


@dataclass(frozen=True, slots=True)
class Visit:
    """The context of every page from its request."""

    path: str = "/"
    """Without the language."""
    query: str = ""
    actor: Any = None
    """The identity package's Actor, or None."""


PageNumber = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
"""Which page of a list is shown."""
LotNumber = Annotated[int, QueryParameter(name="lot", ge=1, le=1_000)]
"""Which lot of an order is shown: its releases are numbered from 1."""
NUL: Final = "\0"
"""The one character that PostgreSQL cannot store in text; no page may show it either."""
MOST_SENTENCES: Final = 16_384
"""The most sentences, marked as safe, that are cached: more than all templates have in both languages."""
visit: ContextVar[Visit] = ContextVar("visit", default=Visit())  # noqa: B039 (a Visit is frozen)


def url(path: str, in_language: str | None = None) -> str:
    """Return `path` under the page's language."""
    return f"/{in_language or language.get()}{path}"


def here(in_language: str | None = None, **changes: object) -> str:
    """Return this page's address in `in_language`, with the query's parameters changed (None drops one)."""
    asked = parse_qsl(visit.get().query, keep_blank_values=True) if visit.get().query else []
    kept = [(name, value) for name, value in asked if name not in changes]
    query = urlencode(kept + [(name, value) for name, value in changes.items() if value is not None])
    return url(quote(visit.get().path), in_language) + (f"?{query}" if query else "")


def canonical(in_language: str | None = None) -> str:
    """Return the whole address of this page in a language, without its query, for search engines."""
    return settings().url + url(quote(visit.get().path), in_language)


def sign_in_url(path: str | None = None, query: str | None = None) -> str:
    """Return the sign-in page's address, which leads back to the visitor's page (or to `path` and `query`)."""
    there = visit.get().path if path is None else path
    if there in ("/", "/sign-in", "/sign-out"):
        return url("/sign-in")
    asked = visit.get().query if query is None else query
    return url("/sign-in?" + urlencode({"next": there + (f"?{asked}" if asked else "")}))


def see(path: str) -> Redirect:
    """Answer a form with a redirect (303), so that a refresh repeats nothing."""
    return Redirect(url(path), status_code=HTTP_303_SEE_OTHER)


def page(template: str, *, status_code: int = 200, **context: Any) -> Template:  # noqa: ANN401 (anything that a template shows)
    """Answer with a page."""
    return Template(template, context=context, status_code=status_code)


def secret_page(template: str, /, **context: Any) -> Template:  # noqa: ANN401 (anything that a template shows)
    """Answer with a page that shows a secret: no browser or proxy stores a copy."""
    answer = page(template, **context)
    answer.headers["cache-control"] = "no-store"
    return answer


def filled(refusal: Refusal) -> str:
    """Return a refusal's sentence with its fields filled in; days, amounts and words are in the page's language."""
    sentence = gettext(refusal.sentence)
    fields = {name: _in_language(value) for name, value in refusal.fields.items()}
    return sentence.format(**fields) if fields else sentence


def _in_language(value: object) -> object:
    if isinstance(value, tuple):
        return ", ".join(gettext(word) for word in value)
    if isinstance(value, Cents):
        return formats.money(value)
    return formats.date(value) if isinstance(value, dt.date) else value


def again(template: str, refusal: Refusal, /, **context: Any) -> Template:  # noqa: ANN401 (anything that a template shows)
    """Show a form again with the refusal, above it and at the field it names, keeping the person's input."""
    error = filled(refusal)
    mistakes = {refusal.fields.get("field"): error}
    if isinstance(typed := context.get("form"), dict):
        unkept = [name for name, value in typed.items() if isinstance(value, str) and NUL in value]
        context["form"] = typed | {name: typed[name].replace(NUL, "") for name in unkept}
        if unkept and "field" not in refusal.fields:  # the database says that a field has NUL, and not which
            mistakes = dict.fromkeys(unkept, error)
    answer = page(template, status_code=refusal.status, error=error, mistakes=mistakes, **context)
    answer.headers.update(refusal.headers)
    return answer


def download(name: str, data: bytes, media_type: str = "application/pdf") -> Response[bytes]:
    """Answer with a file to download; no proxy may store it."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(data, media_type=media_type, headers=headers)


class PageContext(Context):
    """A template's names. Jinja checks for every call which context a function wants; plain functions want none."""

    @internalcode
    def call(self, called: Any, /, *args: Any, **named: Any) -> Any:  # noqa: ANN401 (Jinja's signature)
        """Call what a template calls; anything but a plain function as Jinja does."""
        if type(called) is not FunctionType or hasattr(called, "jinja_pass_arg"):
            return super().call(called, *args, **named)
        named.pop("_loop_vars", None)
        named.pop("_block_vars", None)
        return called(*args, **named)


def translated(message: str, /, **fields: object) -> Markup:
    """Return a template's sentence in the page's language, its %(fields)s filled in and escaped.

    It does the same as four calls of Jinja's own extension. A sentence is a template's own, so it may be markup.
    """
    return _marked(language.get(), message) % fields if fields else _whole(language.get(), message)


@functools.lru_cache(MOST_SENTENCES)
def _marked(_language: str, message: str) -> Markup:
    return Markup(gettext(message))  # noqa: S704 (a template's own sentence)


@functools.lru_cache(MOST_SENTENCES)
def _whole(_language: str, message: str) -> Markup:
    return Markup(gettext(message)) % {}  # noqa: S704 (the same; %% is written for one %)


def colon() -> str:
    """Return the colon of the page's language, with its spaces."""
    return typeset(" : ") if language.get() == "fr" else ": "


@functools.cache
def engine() -> JinjaTemplateEngine:
    """Return the template engine: `package/name.html` is in the package's `templates/`."""
    loaders = {folder.parent.name: FileSystemLoader(folder) for folder in PACKAGE.glob("*/*/templates")}
    environment = Environment(
        loader=PrefixLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # templates do not change while a site runs
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["_"] = translated
    environment.context_class = PageContext
    environment.filters |= {
        name: getattr(formats, name)
        for name in (
            "money",
            "typed_amount",
            "money_micro",
            "cents",
            "number",
            "percent",
            "percent_micro",
            "percent_basis_points",
            "date",
            "moment",
            "month_and_year",
            "day_in_words",
            "period",
            "clock",
            "to_the_second",
            "epsilon",
            "country",
            "months",
        )
    }
    environment.globals |= {
        "url": url,
        "LANGUAGES": LANGUAGES,
        "language": language.get,
        "visit": visit.get,
        "settings": settings,
        "CURRENCY": EUR,
        "form_id": lambda: str(uuid.uuid4()),
        "localised": localised,
        "colon": colon,
        "in_words": in_words,
        "style": _style(),
        "charts": charts,
        "maps": maps,
        "area_maps": area_maps,
        "here": here,
        "canonical": canonical,
        "sign_in_url": sign_in_url,
        "navigation": navigation,
        "current_link": current_link,
    }
    return JinjaTemplateEngine.from_environment(environment)


def localised(row: Any, field: str) -> str:  # noqa: ANN401 (a record, a dict or a Struct)
    """Return the row's `field_fr` or `field_en`, by the page's language."""
    name = f"{field}_{language.get()}"
    return str(getattr(row, name) if isinstance(row, Struct) else row[name])


def in_words(words: Words | Bilingual, **details: object) -> str:
    """Return a registry's words in the page's language, their fields filled in."""
    text = words.filled(language.get(), {name: str(value) for name, value in details.items()})
    return typeset(text) if language.get() == "fr" else text


def _style() -> str:
    """Return the style sheet's address, which changes with its content."""
    import hashlib  # noqa: PLC0415

    return (
        "/static/style.css?" + hashlib.sha256((Path(__file__).parent / "static/style.css").read_bytes()).hexdigest()[:8]
    )
