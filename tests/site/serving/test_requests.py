"""Request ids and the access log: one id in header, problem and log; nobody to recognise in any line."""

import json
from typing import Any

import httpx
import pytest
from litestar import get
from litestar.response import Template
from structlog.testing import LogCapture

from marketplace.core.locks import LockSession
from marketplace.people.identity.guards import expect
from marketplace.site.app import create_app
from marketplace.site.jobs.scheduler import run_due

SECRETS = ("lucie@people.example", "198.51.100.7", "a-secret-of-an-invitation", "what+was+searched")


@get("/api/v1/broken", opt=expect("anyone"), include_in_schema=False)
async def fail() -> None:
    """Fail."""
    raise RuntimeError


@get("/api/v1/without-template", opt=expect("anyone"), include_in_schema=False)
async def without_template() -> Template:
    """Show a page whose template is missing, which the framework refuses as an error of HTTP."""
    return Template("nowhere/page.html")


def captured() -> tuple[LogCapture, Any]:
    """Return what is logged from now on, and what puts the log back."""
    import structlog  # noqa: PLC0415

    capture, before = LogCapture(), structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture], cache_logger_on_first_use=False)
    return capture, lambda: structlog.configure(**before)


async def get_from_outside(app: Any, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=("198.51.100.7", 1)), base_url="http://site.example"
    ) as client:
        return await client.get(path, headers=headers)


async def test_the_access_log_has_a_line_a_request_in_which_nobody_is_recognised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = create_app(manages_pool=False, access_log=True)
    answers = [
        await get_from_outside(app, "/en/join/a-secret-of-an-invitation"),
        await get_from_outside(app, "/en/catalogue?search=what+was+searched&email=lucie@people.example"),
        await get_from_outside(
            app, "/api/v1/me", authorization="Bearer a-secret-of-an-invitation", cookie="session=what+was+searched"
        ),
        await get_from_outside(app, "/lucie@people.example"),
        await get_from_outside(app, "/en/lucie@people.example/a-secret-of-an-invitation"),
    ]
    printed = capsys.readouterr().out
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert [line["request"] for line in lines] == [answer.headers["x-request-id"] for answer in answers]
    assert [line["status"] for line in lines] == [answer.status_code for answer in answers]
    assert lines[1]["route"] == "/catalogue"
    assert lines[2]["route"] == "/api/v1/me"
    assert lines[0]["route"].startswith("/join/{")
    assert set(lines[0]) == {"at", "request", "method", "route", "status", "milliseconds"}
    assert not [secret for secret in SECRETS if secret in printed]


@pytest.mark.parametrize(("route", "path"), [(fail, "/api/v1/broken"), (without_template, "/api/v1/without-template")])
async def test_a_failed_request_has_one_id_in_log_header_and_problem(route: Any, path: str) -> None:
    capture, restore_log = captured()
    try:
        answer = await get_from_outside(create_app(manages_pool=False, further_routes=[route]), path)
    finally:
        restore_log()
    assert answer.status_code == 500
    [line] = [line for line in capture.entries if line["event"] == "a request failed"]
    assert line["request"] == answer.headers["x-request-id"] == answer.json()["request"]


async def test_lines_of_a_run_of_a_job_have_its_id() -> None:
    async def fails() -> None:
        raise RuntimeError

    capture, restore_log = captured()
    session = LockSession()
    try:
        assert not await run_due(session, "invoices", 10, fails)
    finally:
        restore_log()
        await session.close()
    [line] = [line for line in capture.entries if line["event"].startswith("job failed")]
    assert line["job"] == "invoices"
    assert len(line["run"]) == 16
