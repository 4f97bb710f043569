"""What a page costs: the processor time of a page with one indexed read, over the same page by hand.

`python3 tests bench http` prints `http page RATIO …`: the list of a person's sessions (who asks, then one read by an
index, then a template), over Litestar with asyncpg alone: the same statements with the same values on the same pool, the
same template with the same context on the same engine, our faster calls of it included, and nothing else. How the ratio is
over Jinja as it is, with its own extension, is printed as a remark. `--peers` prints what FastAPI with SQLAlchemy's mapped
classes and Jinja as it is costs for the same answer: its page and its headers are compared with ours. The database's own
work is in another process, and counts for neither.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from jinja2.ext import _gettext_alias  # what its extension calls `_`
from jinja2.runtime import Context
from litestar import Litestar, get
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.template.config import TemplateConfig
from litestar.types import ASGIApp, Scope
from litestar.utils.scope.state import ScopeState

from marketplace.core.database import DB
from marketplace.core.web.i18n import language
from marketplace.core.web.pages import Visit, engine, visit
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.sessions import actor_of_session, create_session
from marketplace.site.app import create_app
from marketplace.site.serving.form_tokens import TOKEN_COOKIE, token_of
from tests.benchmarks._bench import Run, remark
from tests.people.builders import add_staff

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
PageAndHeaders: TypeAlias = tuple[bytes, Headers]

PASSWORD = "a long enough password"
SIZE, SMALLEST = 50, 1
"""Rounds."""
PAGES = 150
PATH = "/en/sessions"


def main(run: Run) -> None:
    """Run it on an empty marketplace of its own; with peers also as FastAPI and SQLAlchemy would."""
    with run.marketplace() as place:
        (ours, bare, faster), cookies, answered = place.play(lambda: _measure(run.size), connections=1)
        remark(f"http page {ours / bare:.2f} × the page by hand with Jinja's own calls ({bare * 1e6:.0f} µs)")
        spent = f"({ours * 1e6:.0f} µs of processor, {faster * 1e6:.0f} µs)"
        run.figure("page", f"{ours / faster:.2f}", f"× the page by hand on Litestar and asyncpg {spent}")
        if run.peers:
            theirs = _peer(place.url, cookies, answered)
            run.figure("peer", f"{theirs / ours:.2f}", f"× ours for FastAPI and SQLAlchemy ({theirs * 1e6:.0f} µs)")


async def _measure(rounds: int) -> tuple[list[float], str, PageAndHeaders]:
    """Return seconds of processor a page for the site and for the bare ones, the cookies that asked, and the site's answer."""
    person = await add_staff("steward@people.example", "Steward", "steward", PASSWORD)
    secret = await create_session(person, with_factor=True)
    token = token_of(secret, "")
    cookies = f"session={secret}; {TOKEN_COOKIE}={token}"  # as a browser brings them from its second page on
    site = create_app(manages_pool=False)
    for _ in range(3):  # the last statements are those of a site that has been asked before
        statements = await _statements(lambda: page_of(site, cookies))
    drawn = await _drawn(lambda: page_of(site, cookies))
    actor = await actor_of_session(secret)
    bare = _bare(jinja_as_it_is(), actor, token, statements, *drawn)
    faster = _bare(engine(), actor, token, statements, *drawn)
    for by_hand in (bare, faster):
        assert await page_of(site, cookies) == await page_of(by_hand, cookies), "the page by hand is the page"
    best = [float("inf")] * 3
    for _ in range(rounds):
        for number, app in enumerate((site, bare, faster)):
            best[number] = min(best[number], await seconds_a_page(app, cookies))
    return best, cookies, await page_and_headers(site, cookies)


async def _statements(work: Callable[[], Awaitable[object]]) -> list[tuple[str, Sequence[Any]]]:
    """Return the statements of `work` with their values, as the one connection sent them."""
    sent: list[tuple[str, Sequence[Any]]] = []

    def note(record: Any) -> None:
        sent.append((record.query, record.args))

    assert DB.pool
    async with DB.pool.acquire() as connection:
        connection.add_query_logger(note)
    await work()
    async with DB.pool.acquire() as connection:
        connection.remove_query_logger(note)
    return sent


async def _drawn(work: Callable[[], Awaitable[object]]) -> tuple[str, dict[str, Any]]:
    """Return the template that `work` draws, and its context."""
    drawn: list[tuple[str, dict[str, Any]]] = []
    answer = Template.to_asgi_response

    def note(template: Template, *given: Any, **more: Any) -> Any:
        drawn.append((template.template_name or "", template.context))
        return answer(template, *given, **more)

    Template.to_asgi_response = note  # type: ignore[method-assign,assignment]
    try:
        await work()
    finally:
        Template.to_asgi_response = answer  # type: ignore[method-assign]
    (page,) = drawn
    return page


def jinja_as_it_is() -> JinjaTemplateEngine:
    """Return the site's template engine without what the site makes faster: Jinja's own context and translating."""
    environment = engine().engine.overlay(auto_reload=True)
    environment.context_class = Context
    environment.globals = environment.globals | {"_": _gettext_alias}
    return JinjaTemplateEngine.from_environment(environment)


def _bare(  # noqa: PLR0917 (all that a page is made of)
    templates: JinjaTemplateEngine,
    actor: Actor | None,
    token: str,
    statements: Sequence[tuple[str, Sequence[Any]]],
    template: str,
    context: dict[str, Any],
) -> ASGIApp:
    """Return a site of one page that runs these statements and draws this template."""
    (who, whose), *reads = statements

    @get(PATH)
    async def sessions(scope: Scope) -> Template:
        assert DB.pool
        if await DB.pool.fetchrow(who, *whose) is None:
            raise PermissionError
        for statement, values in reads:
            await DB.pool.fetch(statement, *values)
        language.set("en")
        visit.set(Visit(PATH.removeprefix("/en"), "", actor))
        ScopeState.from_scope(scope).csrf_token = token
        return Template(template, context=context)

    return Litestar(
        [sessions],
        template_config=TemplateConfig(instance=templates),
        signature_namespace={"Template": Template, "Scope": Scope},
        openapi_config=None,
    )


async def page_of(app: ASGIApp, cookies: str) -> bytes:
    """Return the page as one browser gets it; refuses all but 200."""
    return (await page_and_headers(app, cookies))[0]


def comparable(headers: Headers) -> dict[str, str]:
    """Return the headers of an answer by name, without the value of what is another at every request."""
    return {name.decode(): "" if name == b"x-request-id" else value.decode() for name, value in headers}


async def page_and_headers(app: ASGIApp, cookies: str) -> PageAndHeaders:
    """Return the page as one browser gets it, and its headers; refuses all but 200."""
    body: list[bytes] = []
    headers: list[tuple[bytes, bytes]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message
            headers.extend(message["headers"])
        else:
            body.append(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"site"), (b"cookie", cookies.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("site", 80),
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    return b"".join(body), headers


async def seconds_a_page(app: ASGIApp, cookies: str) -> float:
    for _ in range(PAGES // 10):
        await page_of(app, cookies)
    began = time.process_time()
    for _ in range(PAGES):
        await page_of(app, cookies)
    return (time.process_time() - began) / PAGES


def _peer(url: str, cookies: str, answered: PageAndHeaders) -> float:
    """Install FastAPI and SQLAlchemy beside our packages, and return the seconds of processor that their page takes.

    Refuses a page or headers other than those `answered`.
    """
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--target", folder, "fastapi", "sqlalchemy[asyncio]"],
            check=True,
        )
        process = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks._http_peer", cookies],
            env=os.environ | {"DATABASE_URL": url, "PYTHONPATH": folder},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    theirs = json.loads(process.stdout)
    page, headers = answered
    assert theirs["page"] == hashlib.sha256(page).hexdigest(), "the peer's page is the page"
    assert theirs["headers"] == comparable(headers), (theirs["headers"], comparable(headers))
    return float(theirs["seconds"])
