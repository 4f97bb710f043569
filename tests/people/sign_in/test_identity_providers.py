"""Signing in by an organisation's provider, over HTTP: linked by who is signed in alone, and every wrong token refused."""

import json
import os
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey

from marketplace.core.database import execute
from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.people.identity.ending import end_person
from marketplace.people.sign_in.provider_rules import is_safe, read_providers
from tests.people.builders import PASSWORD, Browser, add_staff, make_partner, page_text
from tests.support.identity_provider import SECRET, IdentityProvider, providing
from tests.support.reads import fetch_value

NORA, CLAIRE = "nora@partage.example", "claire@atelier.example"
GO, LINK = "/en/sign-in/with/staff", "/en/profile/identities/staff/link"
REFUSED = "The answer of Our staff cannot be accepted."


@pytest.fixture
def staff_provider(database_url: str) -> Iterator[IdentityProvider]:
    """Serve a provider for staff, named by the setting."""
    del database_url
    with providing() as serving:
        named = {"code": "staff", "name": "Our staff", "issuer": serving.issuer, "client_id": "partage"}
        os.environ["PARTAGE_IDENTITY_PROVIDERS"] = json.dumps([named | {"client_secret": SECRET}])
        settings.cache_clear()
        yield serving


async def visit_provider(browser: Browser, provider: IdentityProvider, path: str = GO) -> httpx.Response:
    """Go to the provider by a link, sign in there and come back."""
    sent = await browser.get(path)
    assert sent.headers["location"].startswith(f"{provider.issuer}/authorize?"), page_text(sent)
    return await browser.get("/en" + path_and_query(provider.sign_in(sent.headers["location"])))


def path_and_query(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


async def link_provider(browser: Browser, provider: IdentityProvider) -> None:
    await add_staff(NORA, "Nora", "finance", PASSWORD)
    await browser.sign_in(NORA)
    answer = await visit_provider(browser, provider, LINK)
    assert answer.headers["location"] == "/en/profile/identities"


async def test_staff_link_their_identity_and_sign_in_with_it(staff_provider: IdentityProvider) -> None:
    async with Browser() as nora, Browser() as elsewhere:
        await add_staff(NORA, "Nora", "finance", PASSWORD)
        assert "Sign in with Our staff" in page_text(await elsewhere.get("/en/sign-in"))
        stranger = await visit_provider(elsewhere, staff_provider)
        assert stranger.status_code == 403
        assert "linked with that identity" in page_text(stranger)
        await nora.sign_in(NORA)
        assert (await visit_provider(nora, staff_provider, LINK)).headers["location"] == "/en/profile/identities"
        assert "Linked since" in page_text(await nora.get("/en/profile/identities"))
        assert "signed in to with Our staff" in page_text(await nora.get("/en/inbox"))
        entered = await visit_provider(elsewhere, staff_provider, f"{GO}?next=/finance/bank")
        assert entered.headers["location"] == "/en/finance/bank"
        assert (await elsewhere.get("/en/finance")).status_code == 200
        assert "/token" in staff_provider.asked
        os.environ["STAFF_SECOND_FACTOR"] = "1"
        settings.cache_clear()
        entered = await visit_provider(elsewhere, staff_provider)
        assert entered.headers["location"].startswith("/en/sign-in/second"), "it takes the place of the password alone"
        os.environ["STAFF_SECOND_FACTOR"] = "0"
        settings.cache_clear()
        await nora.submit("/en/profile/identities/staff/unlink", {})
        assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'identity_unlinked'") == 1
        assert (await visit_provider(elsewhere, staff_provider)).status_code == 403


async def test_a_providers_word_is_no_fresh_proof(staff_provider: IdentityProvider) -> None:
    """A browser that signed in at the provider before is let in without a word: its next user must not change keys or money."""
    async with Browser() as nora, Browser() as elsewhere:
        await link_provider(nora, staff_provider)
        await visit_provider(elsewhere, staff_provider)
        assert (await elsewhere.get("/en/finance")).status_code == 200
        assert (await elsewhere.get(LINK)).headers["location"].startswith("/en/confirm")
        await execute("UPDATE person SET created_at = created_at - interval '2 days'")
        reported = "SELECT count(*) FROM message WHERE kind = 'new_device'"
        await visit_provider(elsewhere, staff_provider)
        assert not await fetch_value(reported), "this browser was there before"
        await add_staff("paul@partage.example", "Paul", "finance", PASSWORD)
        async with Browser() as pauls:
            await pauls.sign_in("paul@partage.example")
            await pauls.submit("/en/sign-out", {})
            await visit_provider(pauls, staff_provider)
        assert await fetch_value(reported) == 1
        assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'browser_of_another'") == 1
        await elsewhere.submit("/en/confirm", {"password": PASSWORD, "next": "/profile"}, seen_at="/en/confirm")
        assert (await elsewhere.get(LINK)).headers["location"].startswith(staff_provider.issuer)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["another", "partage"]},
        {"nonce": "another"},
        {"exp": 1},
        {"sub": ""},
        {"sub": 7},
        {"iat": "soon"},
    ],
    ids=str,
)
async def test_a_wrong_token_is_refused_with_one_sentence(
    staff_provider: IdentityProvider, wrong: dict[str, object]
) -> None:
    async with Browser() as nora:
        await link_provider(nora, staff_provider)
        staff_provider.claims = wrong
        async with Browser() as elsewhere:
            answer = await visit_provider(elsewhere, staff_provider)
            assert answer.status_code == 422
            assert REFUSED in page_text(answer)
            assert not elsewhere.session()


@pytest.mark.long
async def test_a_wrong_signature_issuer_or_answer_is_refused_and_a_new_key_is_found(
    staff_provider: IdentityProvider,
) -> None:
    async with Browser() as nora, Browser() as elsewhere:
        await link_provider(nora, staff_provider)
        staff_provider.key = RSAKey.generate_key(2048, {"kid": "one"})
        assert REFUSED in page_text(await visit_provider(elsewhere, staff_provider)), (
            "signed with a key that is not the provider's"
        )
        staff_provider.key = RSAKey.generate_key(2048, {"kid": "two"})
        staff_provider.published = [staff_provider.key]
        assert (await visit_provider(elsewhere, staff_provider)).status_code == 303, "keys are asked for again"
        sent = await elsewhere.get(GO)
        returned = staff_provider.sign_in(sent.headers["location"])
        for odd in (
            returned.replace("code=", "code=x"),
            returned.replace("&iss=http", "&iss=https"),
            returned.replace("state=", "state=x"),
        ):
            assert (await elsewhere.get("/en" + path_and_query(odd))).status_code in (410, 422)
    with providing() as other:
        other.named = "https://somebody.example"
        named = {"code": "staff", "name": "Our staff", "issuer": other.issuer, "client_id": "partage"}
        os.environ["PARTAGE_IDENTITY_PROVIDERS"] = json.dumps([named])
        settings.cache_clear()
        async with Browser() as elsewhere:
            assert REFUSED in page_text(await elsewhere.get(GO)), "its document names another issuer"
            named["issuer"] = "http://127.0.0.1:9"
            os.environ["PARTAGE_IDENTITY_PROVIDERS"] = json.dumps([named])
            settings.cache_clear()
            assert "does not answer now" in page_text(await elsewhere.get(GO))


async def test_nobody_links_or_enters_for_somebody_else(staff_provider: IdentityProvider) -> None:
    """An answer counts in the browser that asked, once its session is the one that wants the link; others stay out."""
    async with Browser() as nora, Browser() as hugo, Browser() as claire:
        await link_provider(nora, staff_provider)
        await add_staff("hugo@partage.example", "Hugo", "finance", PASSWORD)
        await hugo.sign_in("hugo@partage.example")
        assert (await visit_provider(hugo, staff_provider, LINK)).status_code == 409, "it is Nora's"
        sent = await nora.get(LINK)
        returned = "/en" + path_and_query(staff_provider.sign_in(sent.headers["location"]))
        assert (await hugo.get(returned)).status_code == 410, "another browser"
        staff_provider.subject = "u-2"
        sent = await hugo.get(LINK)
        await hugo.submit("/en/sign-out", {})
        await hugo.sign_in("hugo@partage.example")
        late = await hugo.get("/en" + path_and_query(staff_provider.sign_in(sent.headers["location"])))
        assert late.status_code == 410, "another session than the one that asked"
        await make_partner()
        await claire.sign_in(CLAIRE)
        assert (await claire.get(LINK)).status_code == 404, "a provider of staff"
        assert "no identity provider" in page_text(await claire.get("/en/profile/identities"))
    staff_provider.subject = "u-1"
    person = await fetch_value("SELECT id FROM person WHERE email = $1", NORA)
    await end_person(person, NORA)
    async with Browser() as elsewhere:
        assert (await visit_provider(elsewhere, staff_provider)).status_code == 403, "who was removed stays out"


async def test_a_partners_provider_is_for_its_people_alone(staff_provider: IdentityProvider) -> None:
    partner = await make_partner()
    await make_partner("Other", "eve@other.example")
    named = json.loads(os.environ["PARTAGE_IDENTITY_PROVIDERS"])[0] | {"partner": str(partner)}
    os.environ["PARTAGE_IDENTITY_PROVIDERS"] = json.dumps([named])
    settings.cache_clear()
    async with Browser() as claire, Browser() as eve:
        await eve.sign_in("eve@other.example")
        assert (await eve.get(LINK)).status_code == 404
        await claire.sign_in(CLAIRE)
        assert (await visit_provider(claire, staff_provider, LINK)).status_code == 303
        assert (await visit_provider(eve, staff_provider)).headers["location"] == "/en/catalogue"
        assert "Claire" in page_text(await eve.get("/en/profile"))
        os.environ["PARTAGE_IDENTITY_PROVIDERS"] = json.dumps([named | {"partner": str(uuid.uuid4())}])
        settings.cache_clear()
        later = await visit_provider(eve, staff_provider)
        assert later.status_code == 403, "the setting gives it to another organisation now"
        assert "another organisation" in page_text(later)


def test_the_setting_is_read_whole_or_refused() -> None:
    good = {"code": "a", "name": "A", "issuer": "https://a.example", "client_id": "c"}
    assert read_providers("") == {}
    assert set(read_providers(json.dumps([good]))) == {"a"}
    for odd in (
        "{",
        json.dumps([good, good]),
        json.dumps([good | {"issuer": "http://a.example"}]),
        json.dumps([good | {"code": "a/b"}]),
        json.dumps([good | {"secret": "typo"}]),
        json.dumps([good | {"partner": "x"}]),
    ):
        with pytest.raises(Invalid):
            read_providers(odd)
    assert is_safe("http://localhost:1")
    assert not any(is_safe(odd) for odd in ("https:///x", "javascript:x", "http://a.example", ""))
