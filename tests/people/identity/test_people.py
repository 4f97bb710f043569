"""Partners, lines, keys and colleagues over HTTP: what each may do, and what a second click or a stranger changes."""

import asyncio
import contextlib
import datetime as dt
import os
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.people.identity import actions, key_actions, names, queries, rules, vat_checks
from marketplace.people.identity.credentials import confirm_email
from marketplace.people.identity.ending import delete_expired
from marketplace.people.identity.guards import begin_session
from marketplace.people.identity.sessions import actor_of_session
from marketplace.people.sign_in import recovery_actions as recovery
from tests.people.builders import PASSWORD, VAT, Browser, add_staff, make_partner, page_text, serving_vies
from tests.support.reads import fetch, fetch_value

SIGN_UP = {
    "company": "Atelier",
    "country": "FR",
    "vat_number": "FR 40 303 265 045",
    "name": "Claire Martin",
    "email": "Claire@Atelier.example",
    "password": PASSWORD,
}


def secret_in(answer: Any) -> str:
    found = re.search(r'class="secret">([^<]+)<', answer.text)
    return found[1] if found else ""


async def test_a_sign_up_twice_is_one_partner_and_both_enter() -> None:
    form = str(uuid.uuid4())
    async with Browser() as browser:
        for _ in range(2):
            answer = await browser.submit("/en/sign-up", SIGN_UP, form_id=form)
            assert answer.headers["location"] == "/en/first-steps"
        assert await fetch_value("SELECT count(*) FROM partner") == 1
        other = await browser.submit("/en/sign-up", SIGN_UP)
        assert other.status_code == 303, "nobody learns that an address is known"
        assert await fetch_value("SELECT count(*) FROM partner") == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vat_number", "FR41303265045"),
        ("country", "ZZZ"),
        ("country", "ZZ"),
        ("country", "EL"),
        ("email", "nobody"),
        ("password", "short"),
        ("company", " "),
        ("company", "x" * 201),
        ("name", "a\x00b"),
        ("password", "aaaaaaaaaaaa"),
        ("password", "1234567890"),
        ("password", "qwertyuiop"),
        ("password", "password12"),
        ("password", "claire martin"),
        ("password", "Atelier2026"),
    ],
)
async def test_a_sign_up_says_what_is_wrong_and_keeps_the_rest(field: str, value: str) -> None:
    async with Browser() as browser:
        answer = await browser.submit("/en/sign-up", {**SIGN_UP, field: value})
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
        (wrong,) = re.findall(r'<(?:input|select)[^>]*id="(\w+)"[^>]*aria-invalid="true"', answer.text)
        assert wrong == field
        assert f'id="{field}-error"' in answer.text
        assert PASSWORD not in answer.text
        assert await fetch_value("SELECT count(*) FROM partner") == 0


def test_vat_numbers_are_checked_by_their_country() -> None:
    assert rules.clean_vat("FR", "fr 40 303 265 045") == VAT
    assert rules.clean_vat("GR", "EL 094259216") == "EL094259216"
    assert rules.clean_vat("DE", "136695976") == "DE136695976"
    assert rules.clean_vat("US", "anything") == ""
    assert [rules.clean_vat(country, " ") for country in ("FR", "DE", "MQ", "MC", "US")] == [""] * 5, "it is optional"
    assert rules.clean_vat("MQ", "40 303 265 045") == VAT
    assert rules.clean_vat("MC", "FR53000004605") == "FR53000004605"
    for country, number in (
        ("FR", "FR00303265045"),
        ("DE", "DE136695977"),
        ("DE", VAT),
        ("IT", "../../x"),
        ("RE", "FR00303265045"),
        ("MC", "FR40303265046"),
    ):
        with pytest.raises(Invalid):
            rules.clean_vat(country, number)


async def test_a_steward_vets_or_refuses_with_a_reason() -> None:
    partner = await make_partner()
    await add_staff("steward@partage.example", "Sam", "steward", PASSWORD)
    async with Browser() as steward, Browser() as claire:
        await steward.sign_in("steward@partage.example")
        await claire.sign_in("claire@atelier.example")
        assert "Waiting" in page_text(await claire.get("/en/company"))
        assert (await claire.get("/en/partners")).status_code == 403
        assert (await claire.submit(f"/en/partners/{partner}/vet", {})).status_code == 403
        assert (await steward.submit(f"/en/partners/{partner}/refuse", {"reason": " "})).status_code == 422
        await steward.submit(f"/en/partners/{partner}/refuse", {"reason": "No such company"})
        assert "No such company" in page_text(await claire.get("/en/company"))
        await steward.submit(f"/en/partners/{partner}/vet", {})
        await steward.submit(f"/en/partners/{partner}/vet", {})
        row = await queries.get_partner(partner)
        assert (row.refused_reason, row.vetted_by_name) == (None, "Sam")
        assert (await steward.submit(f"/en/partners/{uuid.uuid4()}/vet", {})).status_code == 404
        assert "Atelier" in page_text(await steward.get("/en/partners"))


# VIES ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def vies() -> Iterator[dict[str, Any]]:
    with serving_vies() as serving:
        yield serving


async def test_vies_confirms_refuses_or_changes_nothing(vies: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIES_URL", vies["url"])
    settings.cache_clear()

    partner = await make_partner()
    vies["status"], vies["body"] = 200, {"isValid": False, "userError": "MS_UNAVAILABLE"}
    assert not await vat_checks.confirm_vat(partner)
    for status, body in (
        (500, b"oops"),
        (200, b"not json"),
        (200, []),
        (200, {"isValid": "yes", "userError": "VALID"}),
    ):
        vies["status"], vies["body"] = status, body
        assert not await vat_checks.confirm_vat(partner)
    assert (await queries.get_partner(partner)).vat_confirmed_at is None
    vies["status"], vies["body"] = 200, {"isValid": True, "userError": "VALID"}
    vies["asked"].clear()
    await vat_checks.confirm_pending_vat()
    assert vies["asked"] == []  # asked less than an hour ago
    with clock.shifted(dt.timedelta(hours=2)):
        await vat_checks.confirm_pending_vat()
        await vat_checks.confirm_pending_vat()
    assert vies["asked"] == ["/rest-api/ms/FR/vat/40303265045"]
    assert (await queries.get_partner(partner)).vat_confirmed_at
    vies["body"] = {"isValid": False, "userError": "INVALID"}
    await vat_checks.confirm_vat(partner)
    assert (await queries.get_partner(partner)).vat_confirmed_at is None


async def test_without_vies_a_number_stays_unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    partner = await make_partner()
    assert not await vat_checks.confirm_vat(partner)
    monkeypatch.setenv("VIES_URL", "http://127.0.0.1:9")
    settings.cache_clear()
    assert not await vat_checks.confirm_vat(partner)
    assert (await queries.get_partner(partner)).vat_answer == "UNREACHABLE"


# Lines --------------------------------------------------------------------------------------------------------------


async def test_a_code_claims_its_line_once() -> None:
    assert await actions.add_subscribers([7, 8, 7]) == 2
    assert await actions.add_subscribers([7, 8, 9]) == 1
    codes = dict(await actions.issue_activation_codes([7, 8, 404]))
    assert set(codes) == {7, 8}
    assert not await fetch("SELECT 1 FROM subscriber WHERE activation_code_hash = ANY($1)", list(codes.values()))
    form = {"reference": "7", "name": "Ana", "email": "ana@example.org", "password": PASSWORD}
    async with Browser() as browser, Browser() as other:
        assert (await browser.submit("/en/activate", {**form, "code": codes[8]})).status_code == 401
        assert (await browser.submit("/en/activate", {**form, "code": codes[7].lower()})).headers[
            "location"
        ] == "/en/welcome"
        again = await browser.submit("/en/activate", {**form, "code": codes[7]})
        assert again.headers["location"] == "/en/welcome"
        stolen = await other.submit("/en/activate", {**form, "code": codes[7], "email": "eve@example.org"})
        assert stolen.status_code == 401
    assert dict(await actions.issue_activation_codes([7, 8])).keys() == {8}
    assert await fetch_value("SELECT count(*) FROM person") == 1


async def test_two_who_claim_at_once_make_one() -> None:
    await actions.add_subscribers([7])
    [(_, code)] = await actions.issue_activation_codes([7])

    async def claim(email: str) -> bool:
        try:
            await actions.claim_line(7, code, email=email, name="A", password=PASSWORD)
        except rules.WrongSecret:
            return False
        return True

    assert sorted(await asyncio.gather(*(claim(f"a{n}@example.org") for n in range(4)))) == [False] * 3 + [True]


async def test_codes_are_guessed_slowly() -> None:
    await actions.add_subscribers([7])
    await actions.issue_activation_codes([7])
    for _ in range(5):
        with pytest.raises(rules.WrongSecret):
            await actions.claim_line(7, "AAAA-AAAA-AAAA-AAAA", email="a@example.org", name="A", password=PASSWORD)
    with pytest.raises(rules.TooManyAttempts):
        await actions.claim_line(7, "AAAA-AAAA-AAAA-AAAA", email="a@example.org", name="A", password=PASSWORD)


@contextlib.contextmanager
def sealing_with(keys: str) -> Iterator[None]:
    before = os.environ.get("PARTAGE_IDENTITY_KEYS")
    os.environ["PARTAGE_IDENTITY_KEYS"] = keys
    settings.cache_clear()
    try:
        yield
    finally:
        os.environ.pop("PARTAGE_IDENTITY_KEYS") if before is None else os.environ.update(PARTAGE_IDENTITY_KEYS=before)
        settings.cache_clear()


async def test_a_subscribers_name_and_email_are_sealed_and_found_under_every_key() -> None:
    """Who reads the database alone learns neither; keys change, and people of before are sealed too."""
    old, new = f"old:{'1' * 64}", f"new:{'2' * 64}"

    async def stored() -> str:
        tables = [
            row["tablename"] for row in await fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        return "".join([str(dict(row)) for table in tables for row in await fetch(f'SELECT * FROM "{table}"')])

    async def is_ana() -> bool:
        person = (await actions.sign_in("ana@example.org", PASSWORD)).id
        shown = await queries.get_person(person)
        cookie = await begin_session(person)
        actor = await actor_of_session(str(cookie.value))
        return actor is not None and {actor.name, shown.name} == {"Anaïs"} and shown.email == "ana@example.org"

    await actions.add_subscribers([7, 8])
    (_, code), _ = sorted(await actions.issue_activation_codes([7, 8]))
    with sealing_with(old):
        await actions.claim_line(7, code, email="ana@example.org", name="Anaïs", password=PASSWORD)
        assert await is_ana()
        assert not {"ana@example.org", "Anaïs"} & set(re.findall(r"[\w.@]+", await stored()))
        await confirm_email(await fetch_value("SELECT id FROM person"))
        with pytest.raises(Conflict):
            await add_staff("ana@example.org", "Ana", "finance", PASSWORD)
    with sealing_with(f"{new},{old}"):
        assert await is_ana(), "the old key still opens"
        assert await names.reseal_names() == 1
        assert await names.reseal_names() == 0
    with sealing_with(new):
        assert await is_ana(), "and is not needed any more"
        assert "ana@example.org" not in await stored()
        await recovery.change_password((await fetch_value("SELECT id FROM person")), PASSWORD, f"{PASSWORD}-2")
        with pytest.raises(rules.WrongSecret):
            await actions.sign_in("ana@example.org", PASSWORD)
        mine = "SELECT count(*) FROM sign_in_attempt WHERE subject = $1"
        assert await fetch_value(mine, actions.digest("email:ana@example.org")) == 1
        await actions.erase_person(await fetch_value("SELECT id FROM person"))
        assert await fetch_value(mine, actions.digest("email:ana@example.org")) == 0


async def test_a_person_that_no_key_opens_is_left_out_and_can_still_be_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is lost takes the name with it, and neither the others' new seals nor the right to be forgotten."""
    monkeypatch.setattr(names, "BATCH_SIZE", 1)
    kept, lost, new = f"kept:{'1' * 64}", f"lost:{'2' * 64}", f"new:{'3' * 64}"

    await actions.add_subscribers([7, 8, 9])
    for (line, code), keys in zip(
        sorted(await actions.issue_activation_codes([7, 8, 9])), (kept, lost, kept), strict=True
    ):
        with sealing_with(keys):
            await actions.claim_line(line, code, email=f"ana{line}@example.org", name="Ana", password=PASSWORD)
    ana = await fetch_value("SELECT id FROM person WHERE subscriber = 8")
    with sealing_with(f"{new},{kept}"):
        assert await names.reseal_names() == 2
        assert await names.reseal_names() == 0
        rows = await fetch("SELECT key_id FROM person ORDER BY subscriber")
        assert [row["key_id"] for row in rows] == ["new", "lost", "new"]
        with pytest.raises(rules.WrongSecret):
            await recovery.change_password(ana, "not hers", f"{PASSWORD}-2")
        await recovery.change_password(ana, PASSWORD, f"{PASSWORD}-2")
        cookie = await begin_session(ana)
        async with Browser() as browser:
            browser.client.cookies.set(cookie.key, str(cookie.value))
            assert (await browser.get("/en/profile")).status_code == 200
            assert (await browser.submit("/en/profile/erase", {"sure": "yes"})).status_code == 303
    assert await fetch_value("SELECT count(*) FROM person WHERE subscriber = 8") == 0
    assert len(await actions.issue_activation_codes([8])) == 1


async def test_the_demos_staff_are_shown_however_many_there_are_besides() -> None:
    await execute("INSERT INTO subscriber (reference, claimed_at) SELECT one, now() FROM generate_series(1, 60) AS one")
    for line in range(1, 61):
        await actions._add_person(f"line{line}@example.org", "Ana", "x", "en", clock.now(), subscriber=line)
    await make_partner("Demo", f"demo{rules.ONE_CLICK_DOMAIN}".lower())
    await add_staff(f"nora{rules.ONE_CLICK_DOMAIN}", "Nora", "finance", PASSWORD)
    shown = await queries.one_click_people()
    assert [person.staff_role for person in shown] == [None, "finance"], "a partner's first, staff last"


async def test_the_demos_first_subscriber_is_shown_however_many_follow() -> None:
    await execute("INSERT INTO subscriber (reference, claimed_at) SELECT one, now() FROM generate_series(1, 30) AS one")
    for line in range(1, 31):  # stored under digests of their addresses, which are in no order
        at = clock.now() - dt.timedelta(days=31 - line)
        await actions._add_person(f"line{line}{rules.ONE_CLICK_DOMAIN}", "Ana", "x", "en", at, subscriber=line)
    assert [person.subscriber for person in await queries.one_click_people()] == list(range(1, 13))


async def test_erasing_forgets_the_person_and_keeps_the_line() -> None:
    await actions.add_subscribers([7])
    [(_, code)] = await actions.issue_activation_codes([7])
    await actions.claim_line(7, code, email="ana@example.org", name="Ana", password=PASSWORD)
    async with Browser() as browser:
        await browser.sign_in("ana@example.org")
        assert (await browser.submit("/en/profile/erase", {"sure": "yes"})).status_code == 303
        assert (await browser.get("/en/profile")).status_code == 303
        assert (await browser.sign_in("ana@example.org")).status_code == 401
    assert await fetch_value("SELECT count(*) FROM person") == 0
    assert await fetch_value("SELECT count(*) FROM subscriber WHERE reference = 7") == 1
    assert len(await actions.issue_activation_codes([7])) == 1


@pytest.mark.parametrize("role", rules.ROLES)
async def test_staff_stay_named_in_what_they_decided(role: str) -> None:
    await add_staff("nora@partage.example", "Nora", role, PASSWORD)
    async with Browser() as nora:
        await nora.sign_in("nora@partage.example")
        assert (await nora.submit("/en/profile/erase", {"sure": "yes"})).status_code == 403
        assert (await nora.get("/en/profile")).status_code == 200


# Keys and colleagues --------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_hashed_and_revocable() -> None:
    await make_partner()
    form = str(uuid.uuid4())
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        key = secret_in(await browser.submit("/en/keys", {"label": "import"}, form_id=form))
        assert key == secret_in(await browser.submit("/en/keys", {"label": "import"}, form_id=form))
        assert await fetch_value("SELECT count(*) FROM api_key") == 1
        assert key not in str(await fetch("SELECT * FROM api_key"))
        assert key not in (await browser.get("/en/keys")).text
        with clock.shifted(dt.timedelta(minutes=11)):
            await browser.submit("/en/confirm", {"password": PASSWORD})
            late = await browser.submit("/en/keys", {"label": "import"}, form_id=form)
            assert not secret_in(late)
            assert "shown once" in page_text(late)
        bearer = {"authorization": f"Bearer {key}"}
        assert (await browser.get("/api/v1/me", headers=bearer)).json()["company"] == "Atelier"
        assert (await browser.get("/api/v1/me")).status_code == 401  # a session is no key
        assert (await browser.get("/en/keys", headers=bearer)).status_code == 200
        await browser.submit(f"/en/keys/{form}/revoke", {})
        refused = await browser.get("/api/v1/me", headers=bearer)
        assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")


async def test_a_key_opens_no_page() -> None:
    partner = await make_partner()
    key = await key_actions.create_key(partner, "x", key_id=uuid.uuid4(), session="s")
    async with Browser() as browser:
        assert (await browser.get("/en/keys", headers={"authorization": f"Bearer {key}"})).status_code == 303


async def test_another_partners_keys_do_not_exist() -> None:
    mine, theirs = await make_partner(), await make_partner("Other", "otto@other.example")
    key_id = uuid.uuid4()
    key = await key_actions.create_key(theirs, "secret plans", key_id=key_id, session="s")
    assert key
    with pytest.raises(NotFound):
        await key_actions.revoke_key(mine, key_id)
    assert await key_actions.create_key(mine, "theirs", key_id=key_id, session="s") is None
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        assert "secret plans" not in (await browser.get("/en/keys")).text
        assert (await browser.submit(f"/en/keys/{key_id}/revoke", {})).status_code == 404
        assert (await browser.get("/api/v1/me", headers={"authorization": f"Bearer {key}"})).status_code == 200


async def test_a_colleague_joins_by_a_link_that_works_once() -> None:
    partner = await make_partner()
    async with Browser() as claire, Browser() as paul, Browser() as eve:
        await claire.sign_in("claire@atelier.example")
        link = secret_in(await claire.submit("/en/company/people", {"name": "Paul", "email": "paul@atelier.example"}))
        path = link[link.index("/en/join/") :]
        assert "Atelier" in page_text(await paul.get(path))
        assert (await paul.submit(path, {"password": "short"})).status_code == 422
        assert (await paul.submit(path, {"password": PASSWORD})).headers["location"] == "/en/company"
        assert (await eve.submit(path, {"password": "eve's own long one"})).status_code == 410
        assert (await eve.get(path)).status_code == 410, "nobody fills in a form that is refused anyway"
        assert "Paul" in page_text(await claire.get("/en/company"))
        assert (await eve.get("/en/join/made-up")).status_code == 404
    assert await actions.invite_colleague(
        partner, email="paul@atelier.example", name="P", invitation_id=uuid.uuid4()
    ), "who invites does not learn that an address is known"


async def test_lists_are_paged() -> None:
    await add_staff("steward@partage.example", "Sam", "steward", PASSWORD)
    await execute(
        """INSERT INTO partner (id, company, country, vat_number, signed_up_at)
           SELECT gen_random_uuid(), 'Company ' || n, 'US', '', now() - n * interval '1 hour' FROM generate_series(1, 60) n"""
    )
    async with Browser() as steward:
        await steward.sign_in("steward@partage.example")
        first, last = await steward.get("/en/partners"), await steward.get("/en/partners?page=3")
        assert (first.text.count('/vet"'), last.text.count('/vet"')) == (25, 10)
        assert 'href="/en/partners?page=2" rel="next"' in first.text
        assert 'rel="next"' not in last.text


async def test_old_sessions_and_attempts_are_forgotten() -> None:
    await make_partner()
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        await browser.sign_in("x@atelier.example", "guess guess guess")
    with clock.shifted(dt.timedelta(days=8)):
        await delete_expired()
    assert await fetch_value("SELECT count(*) FROM session") == 0
    assert await fetch_value("SELECT count(*) FROM sign_in_attempt") == 0
