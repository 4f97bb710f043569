"""A trial over HTTP: once a partner, of an older release, for two weeks; no money moves and nobody earns."""

import asyncio
import datetime as dt
import uuid

import html5lib
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Expired, NotFound
from marketplace.delivery.downloads import trial_actions
from marketplace.people.identity.companies import Company, is_same_company
from tests.people.builders import PASSWORD, VAT, Browser, add_staff, page_text
from tests.sales.builders.shop import counts, make_buyer, open_shop, seal_release
from tests.support.reads import fetch_value

DAY = dt.timedelta(days=1)


async def test_a_partner_tries_an_older_release_once() -> None:
    await open_shop()
    partner, other = await make_buyer(), await make_buyer("rival")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        assert "/datasets/lyon/trial" in (await browser.get("/en/datasets/lyon")).text
        assert "old enough" in page_text(await browser.get("/en/datasets/lyon/trial"))
        assert "tried nothing yet" in page_text(await browser.get("/en/trial"))
        early = await browser.submit("/en/datasets/lyon/trial", {})
        assert (early.status_code, "old enough" in page_text(early)) == (409, True)
        end = clock.now() - 59 * DAY
        await seal_release(period=(end - 7 * DAY, end))
        fresher = await browser.submit("/en/datasets/lyon/trial", {})
        assert (fresher.status_code, "two half-lives old" in page_text(fresher)) == (409, True)
        end = clock.now() - 61 * DAY
        old = await seal_release(period=(end - 7 * DAY, end))
        page = await browser.get("/fr/datasets/lyon/trial")
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert "personne n’est payé" in page_text(page)
        form = str(uuid.uuid4())
        for _ in range(2):
            begun = await browser.submit("/en/datasets/lyon/trial", {}, form_id=form)
            assert begun.headers["location"] == "/en/trial"
        await execute("UPDATE offer SET withdrawn_at = $1", clock.now())
        assert (await browser.submit("/en/datasets/lyon/trial", {}, form_id=form)).status_code == 303
        assert (await browser.submit("/en/datasets/lyon/trial", {})).status_code == 404
        await execute("UPDATE offer SET withdrawn_at = NULL")
        assert "has had its trial" in page_text(await browser.submit("/en/datasets/lyon/trial", {}))
        shown = await browser.get("/en/trial")
        html5lib.HTMLParser(strict=True).parse(shown.text)
        assert "Nobody in it is paid" in page_text(shown)
        assert await fetch_value("SELECT release FROM trial") == old
        for file_format in ("parquet", "csv"):
            file = await browser.get(f"/en/trial/download?format={file_format}")
            assert (file.status_code, len(file.content)) == (200, int(file.headers["content-length"]))
        assert (await browser.get("/en/trial/download?format=abacus")).status_code == 422
    assert await counts("purchase_order", "licence", "journal_entry", "licence_split") == (0, 0, 0, 0)
    with pytest.raises(NotFound):
        await trial_actions.open_file(other, "csv")
    with pytest.raises(Conflict, match="has had"):
        await trial_actions.begin(other, "lyon", trial=uuid.UUID(form))
    await execute(
        """INSERT INTO exclusive_window (id, offer, partner, starts_at, ends_at)
           SELECT gen_random_uuid(), offer.id, NULL, now() - interval '1 day', now() + interval '1 day' FROM offer"""
    )
    with pytest.raises(Conflict, match="exclusively"):
        await trial_actions.begin(other, "lyon", trial=uuid.uuid4())
    with clock.shifted(15 * DAY), pytest.raises(Expired):
        await trial_actions.open_file(partner, "csv")


async def test_a_company_has_one_trial_however_often_it_presses_and_signs_up() -> None:
    """Two presses at once from two pages, then a second account with the same VAT number."""
    await open_shop()
    end = clock.now() - 61 * DAY
    await seal_release(period=(end - 7 * DAY, end))
    partner, second, third = await make_buyer(), await make_buyer("atelier-two"), await make_buyer("other")
    await execute("UPDATE partner SET vat_number = $2 WHERE id = $1", second, VAT)
    pressed = [trial_actions.begin(partner, "lyon", trial=uuid.uuid4()) for _ in range(2)]
    outcomes = await asyncio.gather(*pressed, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["Conflict", "NoneType"]
    with pytest.raises(Conflict, match="has had its trial"):
        await trial_actions.begin(second, "lyon", trial=uuid.uuid4())
    await trial_actions.begin(third, "lyon", trial=uuid.uuid4())
    assert await fetch_value("SELECT count(*) FROM trial") == 2


async def test_accounts_without_a_number_are_one_company_by_name_or_by_mail_domain() -> None:
    """Numbers decide where both have one; an address that nobody confirmed, or at a public provider, says nothing."""
    await open_shop()
    end = clock.now() - 61 * DAY
    await seal_release(period=(end - 7 * DAY, end))

    async def account(name: str, email: str, country: str, vat: str = "", *, confirmed: bool = True) -> uuid.UUID:
        partner = await make_buyer(uuid.uuid4().hex, country=country)
        await execute("UPDATE partner SET company = $2, vat_number = $3 WHERE id = $1", partner, name, vat)
        confirm = (
            "UPDATE person SET email = $2, email_confirmed_at = CASE WHEN $3 THEN created_at END WHERE partner = $1"
        )
        await execute(confirm, partner, email, confirmed)
        return partner

    await trial_actions.begin(await account("Zürich Wander AG", "ada@wander.example", "CH"), "lyon", trial=uuid.uuid4())
    for one in (
        ("ZURICH-WANDER", "ada@gmail.com", "CH", ""),
        ("Another name", "bob@wander.example", "CH", ""),
        ("Another name", "eve@wander.example", "FR", "FR40303265045"),
    ):
        with pytest.raises(Conflict, match="its name or its mail domain"):
            await trial_actions.begin(await account(*one), "lyon", trial=uuid.uuid4())
    begun = [
        await account("Zürich Wander AG", "zoe@gmail.com", "GB"),
        await account("A third", "liar@wander.example", "CH", confirmed=False),
        await account("A fourth", "dora@gmail.com", "CH"),
        await account("A fifth", "x@group.example", "FR", "FR83404833048"),
        await account("A sixth", "y@group.example", "DE", "DE136695976"),
    ]
    for partner in begun:
        await trial_actions.begin(partner, "lyon", trial=uuid.uuid4())
    assert await fetch_value("SELECT count(*) FROM trial") == 1 + len(begun)


async def test_a_steward_allows_an_honest_namesake_one_trial() -> None:
    await open_shop()
    end = clock.now() - 61 * DAY
    await seal_release(period=(end - 7 * DAY, end))
    first, namesake = await make_buyer(), await make_buyer("atelier-two")
    await execute("UPDATE partner SET company = 'Atelier', vat_number = ''")
    free = await make_buyer("other")
    await execute("UPDATE partner SET vat_number = 'FR83404833048' WHERE id = $1", free)
    await execute("UPDATE person SET email = 'x@other.example' WHERE partner = $1", free)
    await add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
    await add_staff("ada@partage.example", "Ada", "auditor", PASSWORD)
    await trial_actions.begin(first, "lyon", trial=uuid.uuid4())
    path, why = f"/en/partners/{namesake}/trial", "Two companies of one name: their registers differ."
    async with Browser() as browser, Browser() as steward, Browser() as auditor:
        await browser.sign_in("atelier-two@partner.example")
        await steward.sign_in("samir@partage.example")
        await auditor.sign_in("ada@partage.example")
        refused = await browser.submit("/en/datasets/lyon/trial", {})
        assert (refused.status_code, "Another account of your company" in page_text(refused)) == (409, True)
        assert f"/en/partners/{namesake}/trial" in (await steward.get(f"/en/partners/{namesake}")).text
        shown = await steward.get(path)
        html5lib.HTMLParser(strict=True).parse(shown.text)
        assert "Atelier has had its trial and looks like the same company" in page_text(shown)
        assert "Allow it one trial" not in page_text(await auditor.get(path))
        assert (await auditor.submit(path, {"reason": why})).status_code == 403
        assert (await browser.submit(path, {"reason": why})).status_code in (403, 404)
        assert (await steward.submit(path, {"reason": " "})).status_code == 422
        for _ in range(2):
            assert (await steward.submit(path, {"reason": why})).status_code == 303
        assert "Its trial is allowed" in page_text(await steward.get(path))
        assert (await browser.submit("/en/datasets/lyon/trial", {})).headers["location"] == "/en/trial"
        again = await browser.submit("/en/datasets/lyon/trial", {})
        assert (again.status_code, "has had its trial" in page_text(again)) == (409, True), "one, and no more"
        assert "Nothing keeps this company from its trial" in page_text(await steward.get(f"/en/partners/{free}/trial"))
        late = await steward.submit(f"/en/partners/{free}/trial", {"reason": why})
        assert (late.status_code, "Nothing keeps this company" in page_text(late)) == (409, True)
        assert (await steward.submit(f"/en/partners/{uuid.uuid4()}/trial", {"reason": why})).status_code == 404
        for partner in (first, namesake):
            late = await steward.submit(f"/en/partners/{partner}/trial", {"reason": why})
            assert (late.status_code, "This company has had its trial" in page_text(late)) == (409, True)
    line = await fetch_value(
        "SELECT reason FROM staff_action WHERE verb = 'trial_allowed' AND subject = $1", str(namesake)
    )
    assert line == why
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'trial_allowed'") == 1


def test_one_siren_is_one_company_by_any_key() -> None:
    def company(name: str, vat: str, *domains: str, country: str = "FR") -> Company:
        return Company(uuid.uuid4(), name, country, vat, list(domains))

    assert is_same_company(company("A", "FR40303265045"), company("B", "FRK7303265045"))
    assert not is_same_company(company("A", "FR40303265045", "a.example"), company("A", "FR83404833048", "a.example"))
    assert is_same_company(company("S.A.S. Éclair", "", country="MC"), company("eclair", "", country="MC"))
    assert not is_same_company(company("Ltd", ""), company("Inc", "")), "a legal form alone is a name"
    assert not is_same_company(company("A", "", "gmail.com"), company("B", "", "gmail.com"))
