"""Signing in by a European wallet, over HTTP: linked by who is signed in alone, and every wrong answer refused."""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from marketplace import clock
from marketplace.errors import Invalid
from marketplace.identity import actions as identity
from marketplace.identity.ending import end_person
from marketplace.settings import settings
from marketplace.wallets import protocol
from marketplace.wallets.relying_party import find_party
from tests.marketplace.identity.site import PASSWORD, Browser, make_partner, text_of
from tests.support.reads import fetch_value
from tests.support.wallet import ISSUER, Authority, Wallet, list_of_withdrawn, pem_of, request_of, settle

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

NORA, CLAIRE = "nora@partage.example", "claire@atelier.example"
GO, LINK, MINE = "/en/sign-in/wallet", "/en/profile/wallet/link", "/en/profile/wallet"
REFUSED = "The answer of your wallet cannot be accepted."


@pytest.fixture
def authority(database_url: str, tmp_path: Path) -> Authority:
    """Name a relying party by the settings, and who signs credentials that it believes."""
    del database_url
    authority = Authority()
    os.environ.update(settle(tmp_path, authority))
    settings.cache_clear()
    return authority


def local(address: str) -> str:
    parts = urlsplit(address)
    return parts.path + (f"?{parts.query}" if parts.query else "")


async def begin(browser: Browser, wallet: Wallet, path: str = GO) -> dict[str, Any]:
    """Open the page and have the wallet fetch its request, as a program with no cookie does."""
    async with Browser(browser.app) as elsewhere:
        shown = await browser.get(path)
        return wallet.read((await elsewhere.get(local(request_of(shown.text)))).text)


async def post(browser: Browser, asked: dict[str, Any], answer: str) -> httpx.Response:
    async with Browser(browser.app) as elsewhere:
        return await elsewhere.client.post(local(asked["response_uri"]), data={"response": answer})


async def visit(browser: Browser, wallet: Wallet, path: str = GO) -> httpx.Response:
    asked = await begin(browser, wallet, path)
    answered = await post(browser, asked, wallet.answer(asked))
    assert answered.status_code == 200, answered.text
    return await browser.get(local(answered.json()["redirect_uri"]))


async def linked(browser: Browser, wallet: Wallet) -> None:
    await identity.add_staff(NORA, "Nora", "finance", PASSWORD)
    await browser.sign_in(NORA)
    assert (await visit(browser, wallet, LINK)).headers["location"] == "/en/profile/wallet"


async def test_a_person_links_their_wallet_and_signs_in_with_it(authority: Authority) -> None:
    wallet = Wallet(authority)
    async with Browser() as nora, Browser() as elsewhere, Browser() as claire:
        assert "Sign in with a European wallet" in text_of(await elsewhere.get("/en/sign-in"))
        stranger = await visit(elsewhere, wallet)
        assert stranger.status_code == 403
        assert "linked with that wallet" in text_of(stranger)
        await linked(nora, wallet)
        assert wallet.asked["dcql_query"]["credentials"][0]["claims"] == [{"path": ["personal_administrative_number"]}]
        assert "Linked since" in text_of(await nora.get(MINE))
        assert "linked with a European identity wallet" in text_of(await nora.get("/en/inbox"))
        assert (await visit(nora, wallet, LINK)).status_code == 303, "again changes nothing"
        kept = await fetch_value(
            "SELECT string_agg(wallet_link::text || wallet_answer::text, '') FROM wallet_link, wallet_answer"
        )
        assert not any(word in kept for word in ("FR-1977", "Martin", wallet.asked["state"]))
        assert (await visit(elsewhere, wallet, f"{GO}?next=/finance/bank")).headers["location"] == "/en/finance/bank"
        assert (await elsewhere.get("/en/finance")).status_code == 200
        assert (await elsewhere.get(LINK)).headers["location"].startswith("/en/confirm"), "it is no fresh proof"
        os.environ["STAFF_SECOND_FACTOR"] = "1"
        settings.cache_clear()
        assert (await visit(elsewhere, wallet)).headers["location"].startswith("/en/sign-in/second")
        os.environ["STAFF_SECOND_FACTOR"] = "0"
        settings.cache_clear()
        await make_partner()
        await claire.sign_in(CLAIRE)
        assert (await visit(claire, wallet, LINK)).status_code == 409, "it is Nora's"
        await nora.submit("/en/profile/wallet/unlink", {})
        assert (await nora.submit("/en/profile/wallet/unlink", {})).status_code == 404
        assert (await visit(elsewhere, wallet)).status_code == 403
        assert (await visit(nora, wallet, LINK)).status_code == 303
        verbs = await fetch_value(
            "SELECT string_agg(verb, ' ' ORDER BY id) FROM staff_action WHERE verb LIKE 'wallet%'"
        )
        assert verbs == "wallet_linked wallet_unlinked wallet_linked"
        assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'wallet_unlinked'") == 1
        await end_person(await fetch_value("SELECT id FROM person WHERE email = $1", NORA), NORA)
        assert (await visit(elsewhere, wallet)).status_code == 403, "who was removed stays out"


async def test_every_wrong_answer_is_refused(authority: Authority) -> None:
    now, wallet, list_address = int(time.time()), Wallet(authority), "https://127.0.0.1/list"
    wrongs: dict[str, dict[str, Any]] = {
        "nonce": {"kb": {"nonce": "another"}},
        "audience": {"kb": {"aud": "x509_hash:another"}},
        "old": {"kb": {"iat": now - 3600}},
        "other disclosures": {"kb": {"sd_hash": "another"}},
        "another holder": {"key": ECKey.generate_key("P-256")},
        "no holder": {"unbound": True},
        "expired": {"claims": {"exp": now - 3600}},
        "other issuer": {"other": Authority()},
        "other name": {"claims": {"iss": "https://elsewhere.example"}},
        "an issuer of its own": {"own_issuer": True},
        "an issuer without a certificate": {"header": {"x5c": None}},
        "other type": {"claims": {"vct": "urn:eudi:loyalty:1"}},
        "altered": {"alter": "FR-1999-01"},
        "a list that cannot be read": {"claims": {"status": {"status_list": {"idx": 1, "uri": list_address}}}},
        "another attempt": {"sent": {"state": "another"}},
        "nothing": {"sent": {"vp_token": {}}},
        "no object": {"sent": {"vp_token": "[" * 200}},
    }
    async with Browser() as browser:
        asked = await begin(browser, wallet)
        for name, wrong in wrongs.items():
            refused = await post(browser, asked, wallet.answer(asked, **wrong))
            assert (refused.status_code, refused.json()["error"]) == (422, "invalid_request"), name
            assert REFUSED in refused.json()["error_description"], name
        for odd in ("", "a.b.c.d.e", "é" * 10):
            assert (await post(browser, asked, odd)).status_code == 422
        for endless in ({"exp": None}, {"exp": now + 7 * 86400}, {"status": {"elsewhere": 1}}):
            refused = await post(browser, asked, wallet.answer(asked, claims=endless))
            assert refused.status_code == 422, endless
        for number in (None, " ", "1" * 300):
            nobody = Wallet(authority, number)
            refused = await post(browser, asked, nobody.answer(asked))
            assert "no personal administrative number" in refused.json()["error_description"]
        assert not await fetch_value("SELECT count(*) FROM wallet_answer")
        assert (await post(browser, asked, wallet.answer(asked))).status_code == 200


async def test_an_answer_counts_once_in_the_browser_that_began(authority: Authority) -> None:
    wallet = Wallet(authority)
    async with Browser() as nora, Browser() as thief, Browser() as hugo:
        await linked(nora, wallet)
        asked = await begin(nora, wallet)
        answer = wallet.answer(asked)
        there = local((await post(nora, asked, answer)).json()["redirect_uri"])
        assert (await post(nora, asked, answer)).status_code == 409, "a replay"
        assert (await thief.get(there)).status_code == 410, "another browser"
        await begin(thief, wallet)
        assert (await thief.get(there)).status_code == 410, "another attempt"
        cookie = nora.client.cookies["provider"]
        assert (await nora.get(there.replace("code=", "code=x"))).status_code == 410
        nora.client.cookies.set("provider", cookie)
        assert (await nora.get(there)).status_code == 303
        nora.client.cookies.set("provider", cookie)
        assert (await nora.get(there)).status_code == 410, "used already"
        old = await begin(nora, wallet)
        assert (await post(nora, old | {"response_uri": old["response_uri"] + "x"}, "")).status_code == 410
        for odd in ("x", "é"):
            forged = local(request_of((await nora.get(GO)).text)) + odd
            assert (await nora.get(forged)).status_code == 410, "not ours"
        await identity.add_staff("hugo@partage.example", "Hugo", "finance", PASSWORD)
        await hugo.sign_in("hugo@partage.example")
        his = Wallet(authority, "FR-2")
        asked = await begin(hugo, his, LINK)
        await hugo.submit("/en/sign-out", {})
        await hugo.sign_in("hugo@partage.example")
        there = local((await post(hugo, asked, his.answer(asked))).json()["redirect_uri"])
        assert (await hugo.get(there)).status_code == 410, "another session than the one that asked"
        with clock.shifted(dt.timedelta(minutes=11)):
            assert (await post(nora, old, wallet.answer(old))).status_code == 410, "too late"


def test_what_was_withdrawn_is_refused(authority: Authority) -> None:
    party, state, wallet, there = find_party(), "a-state", Wallet(authority), f"{ISSUER}/list"
    assert party
    asked = wallet.read(protocol.make_request(party, state, "https://partage.example/answers"))
    claims = {"exp": int(time.time()) + 30 * 86400, "status": {"status_list": {"idx": 9, "uri": there}}}
    answer = wallet.answer(asked, claims=claims)
    subject = protocol.check_answer(party, state, answer, lambda _: list_of_withdrawn(authority, there, 8))
    assert len(subject) == 64
    for wrong in (
        list_of_withdrawn(authority, there, 9),
        list_of_withdrawn(Authority(), there, 8),
        list_of_withdrawn(authority, f"{there}/of-others", 8),
        list_of_withdrawn(authority, there, 8, exp=1),
        "no token",
    ):
        with pytest.raises(Invalid):
            protocol.check_answer(party, state, answer, lambda _, wrong=wrong: wrong)


async def test_nothing_is_there_without_the_settings_and_wrong_ones_end_the_start(
    authority: Authority, tmp_path: Path
) -> None:
    named = {name: os.environ[name] for name in settle(tmp_path, authority)}
    (tmp_path / "other").write_bytes((tmp_path / "PARTAGE_WALLET_ANCHORS").read_bytes())
    (tmp_path / "curve").write_bytes(pem_of(ec.generate_private_key(ec.SECP384R1())))
    for name, value in (
        ("PARTAGE_WALLET_KEY", ""),
        ("PARTAGE_WALLET_KEY", str(tmp_path / "nowhere")),
        ("PARTAGE_WALLET_KEY", str(tmp_path / "curve")),
        ("PARTAGE_WALLET_CERTIFICATE", str(tmp_path / "other")),
    ):
        os.environ.update(named | {name: value})
        settings.cache_clear()
        with pytest.raises(Invalid):
            find_party()
    os.environ.update(dict.fromkeys(named, ""))
    settings.cache_clear()
    assert find_party() is None
    async with Browser() as browser:
        assert (await browser.get(GO)).status_code == 404
        assert "European wallet" not in text_of(await browser.get("/en/sign-in"))
        await make_partner()
        await browser.sign_in(CLAIRE)
        assert (await browser.get(MINE)).status_code == 404
