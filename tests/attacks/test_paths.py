"""Odd paths: doubled slashes reach nothing that single ones do not, and names that no file can have are not found."""

import uuid

import pytest

from marketplace.people.identity import actions
from tests.people.builders import Browser, make_partner


@pytest.mark.parametrize("path", ["/en//api/v1/orders", "//api/v1/orders", "/en///api//v1/orders", "/en/api/v1/orders"])
async def test_the_api_is_never_asked_by_cookie(path: str) -> None:
    await actions.vet_partner(await make_partner(), "a steward")
    async with Browser() as claire:
        await claire.sign_in("claire@atelier.example")
        request = claire.client.build_request(
            "POST",
            "/",
            content=b'{"quote":"%s"}' % str(uuid.uuid4()).encode(),
            headers={"content-type": "text/plain", "idempotency-key": "k"},
        )
        request.url = request.url.copy_with(raw_path=path.encode())
        answer = await claire.client.send(request)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/%00",
        "/static/style.css%00.py",
        f"/static/{'a' * 5000}",
        f"/static/{'a' * 256}",
        "/static" + "/a" * 3000,
        "/en/%00",
        f"/en/{'é' * 200}",
        "/en/docs/%00",
    ],
    ids=range(8),
)
async def test_a_path_that_no_file_can_have_is_not_found(path: str) -> None:
    async with Browser() as browser:
        assert (await browser.get(path)).status_code == 404


async def test_public_files_and_programs_get_no_cookie() -> None:
    await make_partner()
    async with Browser() as nobody, Browser() as claire:
        await claire.sign_in("claire@atelier.example")
        for browser in (nobody, claire):
            for path in ("/static/style.css", "/healthz", "/metrics", "/schema", "/api/v1/keys", "/static/none"):
                assert "set-cookie" not in (await browser.get(path)).headers, path


async def test_pages_that_show_a_secret_are_kept_nowhere() -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.sign_in("claire@atelier.example")
        key = await claire.submit("/en/keys", {"label": "import"})
        link = await claire.submit("/en/company/people", {"name": "Paul", "email": "paul@atelier.example"})
        for answer in (key, link):
            assert 'class="secret"' in answer.text
            assert answer.headers["cache-control"] == "no-store"
