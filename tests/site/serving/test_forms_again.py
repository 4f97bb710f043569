"""A form whose hidden parts are missing or damaged is shown again with all that was typed, and one sentence."""

import re
import uuid

import html5lib
import lxml.html
import pytest

from marketplace.site.serving.filled_forms import fill, find_form
from tests.people.builders import PASSWORD, Browser, form_of, make_partner, page_text
from tests.support.reads import fetch_value

TYPED = 'I typed <this> for an hour, "with care" & love.\nOn two lines.'
WHOLE_AGAIN = "Part of the form that is not shown was missing or damaged."


async def token_of_help(browser: Browser) -> str:
    page = await browser.get("/en/help")
    [token] = set(re.findall(r'name="_csrf_token" value="([^"]+)"', page.text))
    return str(token)


@pytest.mark.parametrize(
    ("form_id", "referer", "language"),
    [
        (None, "http://testserver.example/en/help?about=an+order", "en"),
        ("nonsense", "", "en"),
        ("12", "http://testserver.example/fr/help", "fr"),
    ],
)
@pytest.mark.usefixtures("database_url")
async def test_a_form_without_its_hidden_id_is_shown_again_as_it_was_typed(
    form_id: str | None, referer: str, language: str
) -> None:
    async with Browser() as anyone:
        token = await token_of_help(anyone)
        fields = {"_csrf_token": token, "email": "ann@example.org", "text": TYPED, "about": "an order"}
        if form_id is not None:
            fields["form_id"] = form_id
        headers = {"referer": referer} if referer else {}
        answer = await anyone.client.post(f"/{language}/help", data=fields, headers=headers)
        assert answer.status_code == 400
        form = form_of(answer, f"/{language}/help")
        assert form.fields["text"].replace("\r", "") == TYPED
        assert form.fields["email"] == "ann@example.org"
        assert str(uuid.UUID(form.fields["form_id"])) == form.fields["form_id"], "it is whole again"
        sentence = form.xpath(".//p[@role='alert']")[0].text_content()
        assert sentence.startswith(WHOLE_AGAIN if language == "en" else "Une partie du formulaire")
        assert "form_id" not in sentence
        assert await fetch_value("SELECT count(*) FROM question") == 0
        sent = await anyone.client.post(f"/{language}/help", data=dict(form.form_values()))
        assert sent.status_code == 303, "and is sent as it was shown"


async def test_what_is_missing_and_seen_is_named_by_its_label_and_no_password_is_shown() -> None:
    async with Browser() as browser:
        answer = await browser.submit("/en/sign-in", {"email": "x@example.org"})
        assert "Check “Password”: it is missing or cannot be read." in page_text(answer)
        form = form_of(answer, "/en/sign-in")
        assert form.fields["email"] == "x@example.org"
        assert [one.get("name") for one in form.xpath(".//*[@aria-invalid]")] == ["password"]
        assert [one.get("name") for one in form.xpath(".//*[@autofocus]")] == ["password"]
        answer = await browser.submit("/en/sign-up", {"company": "Atelier", "password": PASSWORD}, form_id="nonsense")
        assert form_of(answer, "/en/sign-up").fields["company"] == "Atelier"
        assert PASSWORD not in answer.text


async def test_a_form_whose_page_is_gone_shows_what_was_typed() -> None:
    await make_partner()
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        token = await token_of_help(browser)
        answer = await browser.client.post(
            f"/en/orders/{uuid.uuid4()}/claim", data={"_csrf_token": token, "form_id": "x", "text": TYPED}
        )
        assert answer.status_code in (400, 404)
        kept = lxml.html.fromstring(answer.text).xpath("//blockquote")
        assert [one.text_content().replace("\r", "") for one in kept] == [TYPED]


@pytest.mark.usefixtures("database_url")
async def test_a_form_that_ends_in_the_middle_is_refused_and_not_waited_for() -> None:
    async with Browser() as anyone:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        cut = b"--x\r\nContent-Disposition: form-data; name=\r\n\r\n"
        answer = await anyone.client.post("/en/help", content=cut, headers=headers)
    assert answer.status_code == 400


async def test_nothing_that_another_site_sent_is_shown() -> None:
    await make_partner()
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        fields = {"form_id": str(uuid.uuid4()), "label": "Evil words", "_csrf_token": "forged"}
        for site in ("cross-site", "same-site", ""):
            answer = await browser.client.post("/en/keys", data=fields, headers={"sec-fetch-site": site})
            assert answer.status_code == 403
            assert "Evil words" not in answer.text
        ours = await browser.client.post("/en/keys", data=fields, headers={"sec-fetch-site": "same-origin"})
        assert ours.status_code == 403
        assert "Evil words" in ours.text, "who signed in anew in another tab has lost nothing"
        assert await fetch_value("SELECT count(*) FROM api_key") == 0


PAGE = """<!DOCTYPE html><title>x</title>
<form method="get" action="/en/do"><input name="q"></form>
<form method="post" action="/en/do"><input type="hidden" name="row" value="1"><input name="why" value="">
</form>
<details><summary>Fold</summary></details><details class="facet"><summary>Fold</summary>
<form method="post" action="/en/do" class="form"><input type="hidden" name="row" value="2">
<label for="why2">Why <span class="muted">(optional)</span></label><input id="why2" name="why" value="old">
<textarea name="text" required>old &amp; long
words</textarea>
<select name="pick"><option value="a" selected>A<option value="b">B</select>
<select name="plain"><option>One</option><option>Two &amp; a half</option></select>
<label class="check"><input type="checkbox" name="many" value="x" checked> <span>X</span></label>
<input type="checkbox" name="many" value="y"><input type="radio" name="one" value="p" checked>
<input type="radio" name="one" value="q"><input type="number" name="count" value="3">
<input name="zone"><input name="zone" value="second">
<input type="password" name="secret"><input type="file" name="file"></form></details>"""


def test_every_kind_of_field_keeps_what_was_typed() -> None:
    typed = {
        "row": ["2"],
        "why": ['a "reason"'],
        "text": ["<b>new</b>\n"],
        "pick": ["b"],
        "plain": ["Two & a half"],
        "many": ["y"],
        "one": ["q"],
        "count": ["three"],
        "zone": ["north", "south"],
        "secret": ["hush"],
    }
    form = find_form(PAGE, lambda action: action == "/en/do", typed)
    assert form
    assert next(one.label for one in form.seen) == "Why"
    page = fill(PAGE, form, typed, above="<p>Look</p>", at_fault="count")
    html5lib.HTMLParser().parse(page)
    before, again = lxml.html.fromstring(page).forms[1:]
    assert [one.value for one in before.xpath(".//input")] == ["1", ""], "another row's form stays as it was"
    assert again.xpath("./p[1]")[0].text == "Look"
    values = [
        (one.name, one.value)
        for one in again.xpath(".//*[@name]")
        if one.get("type") not in ("checkbox", "radio", "file", "password")
    ]
    assert values == [
        ("row", "2"),
        ("why", 'a "reason"'),
        ("text", "<b>new</b>\n"),
        ("pick", "b"),
        ("plain", "Two & a half"),
        ("count", "three"),
        ("zone", "north"),
        ("zone", "south"),
    ]
    assert [one.get("value") for one in again.xpath(".//input[@checked]")] == ["y", "q"]
    assert "hush" not in page
    assert [one.get("open") is not None for one in lxml.html.fromstring(page).iter("details")] == [False, True]
    marked = again.xpath(".//*[@aria-invalid]")
    assert [(one.get("name"), one.get("type")) for one in marked] == [("count", "text")], "so that a browser shows it"


def test_what_no_choice_has_leaves_the_pages_own() -> None:
    form = find_form(PAGE, lambda action: action == "/en/do", {"row": ["2"], "pick": ["z"]})
    assert form
    again = lxml.html.fromstring(fill(PAGE, form, {"pick": ["z"]}, above="")).forms[2]
    assert again.fields["pick"] == "a"
    assert again.fields["text"] == "old & long\nwords"
