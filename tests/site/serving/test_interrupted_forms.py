"""Who is asked once more who they are, in the middle of a form, finds the form again with all that they wrote."""

import datetime as dt

import httpx
import pytest

from marketplace.core import clock
from tests.people.builders import PASSWORD, Browser, form_of, make_partner, page_text
from tests.support.reads import fetch_value

CLAIRE = "claire@atelier.example"
LATER = dt.timedelta(minutes=11)
LABEL = 'import <of> "towns" & zones'
SITE = "http://testserver.example"


async def send_from(browser: Browser, page: str, action: str, **written: str) -> httpx.Response:
    """Fill in a form on its page while the proof is fresh, and send it when it is too old."""
    form = form_of(await browser.get(page), action)
    fields = dict(form.form_values()) | written
    with clock.shifted(LATER):
        return await browser.client.post(action, data=fields, headers={"referer": SITE + page})


async def confirm(browser: Browser, asked: httpx.Response, password: str = PASSWORD) -> httpx.Response:
    fields = dict(form_of(asked, "/en/confirm").form_values()) | {"password": password}
    with clock.shifted(LATER):
        return await browser.client.post("/en/confirm", data=fields)


async def test_what_was_written_is_there_after_the_proof() -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.sign_in(CLAIRE)
        asked = await send_from(claire, "/en/keys?page=1", "/en/keys", label=LABEL)
        assert asked.status_code == 403
        assert "Is it still you?" in page_text(asked)
        assert asked.headers["cache-control"] == "no-store"
        wrong = await confirm(claire, asked, "not hers at all")
        assert wrong.status_code == 401
        again = await confirm(claire, wrong)
        assert again.status_code == 200
        form = form_of(again, "/en/keys")
        assert form.fields["label"] == LABEL
        assert form.xpath(".//p[@role='status']")[0].text_content().startswith("Confirmed.")
        assert await fetch_value("SELECT count(*) FROM api_key") == 0, "it is sent by a person"
        with clock.shifted(LATER):
            made = await claire.client.post("/en/keys", data=dict(form.form_values()))
        assert made.status_code == 200
        assert await fetch_value("SELECT label FROM api_key") == LABEL


async def test_no_password_is_sent_back_though_the_page_itself_needs_the_proof() -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.sign_in(CLAIRE)
        written = {"bucket": "towns", "key": "AKIA1", "secret": "never again", "region": ""}
        asked = await send_from(claire, "/en/bucket", "/en/bucket", **written)
        assert asked.status_code == 403
        again = await confirm(claire, asked)
        form = form_of(again, "/en/bucket")
        assert {name: form.fields[name] or "" for name in written} == {**written, "secret": ""}
        for answer in (asked, again):
            assert "never again" not in answer.text
            assert "never+again" not in answer.text


@pytest.mark.parametrize("page", ["/en/keys", "//evil.example/", "/en/sign-out", "/en/none"])
async def test_a_form_that_is_on_no_page_of_ours_leads_where_it_did(page: str) -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.sign_in(CLAIRE)
        fields = {"next": page, "form": "/nothing", "written": "label=x", "password": PASSWORD}
        with clock.shifted(LATER):
            answer = await claire.submit("/en/confirm", fields)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/en/")
