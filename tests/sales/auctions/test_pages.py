"""The pages: complete without a script, in both languages; from a won auction to a paid licence; the subscribers' calls."""

import datetime as dt
import re
import uuid

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.queries import get_auction
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.sales.builders.auctions import make_offer, move_end, open_auction
from tests.sales.builders.shop import counts, jobs, make_buyer, open_shop, pay, save_card
from tests.support.owner import as_owner
from tests.support.reads import fetch_one, fetch_value

SECOND, MINUTE = dt.timedelta(seconds=1), dt.timedelta(minutes=1)


async def test_two_partners_bid_against_each_other_on_the_page() -> None:
    auction = await open_auction(seconds=50, window_seconds=60, extension_seconds=90)
    for name in ("atelier", "bureau"):
        await save_card(await make_buyer(name))
    async with Browser() as ann, Browser(ann.app) as bob, Browser(ann.app) as nobody:
        await ann.sign_in("atelier@partner.example")
        await bob.sign_in("bureau@partner.example")
        shown = page_text(await nobody.get(f"/en/auctions/{auction}"))
        assert "Sign in to bid" in shown
        form = str(uuid.uuid4())
        for _ in range(2):
            answer = await ann.submit(f"/en/auctions/{auction}/bids", {"amount": "50"}, form_id=form)
            assert answer.headers["location"] == f"/en/auctions/{auction}?bid={form}"
        shown = await ann.get(answer.headers["location"])
        assert "Accepted: you lead." in page_text(shown)
        assert "Your maximum: €50.00." in page_text(shown)
        assert "only more than your own maximum counts" in page_text(shown)
        assert "Your maximum" not in page_text(await nobody.get(f"/en/auctions/{auction}?bid={form}"))
        low = await bob.submit(f"/en/auctions/{auction}/bids", {"amount": "2"})
        assert low.status_code == 422
        assert "Refused: it is below the minimum." in page_text(low)
        assert 'value="2"' in low.text, "what was typed is kept"
        refused = await fetch_value("SELECT id FROM bid WHERE answer = 'refused_below_minimum'")
        receipt = page_text(await bob.get(f"/en/bids/{refused}"))
        assert "this bid does not count" in receipt
        assert "was received, should it ever" not in receipt
        assert 'value="11.00"' in (await bob.get(f"/en/auctions/{auction}")).text, "the next step is typed already"
        assert 'value="11,00"' in (await bob.get(f"/fr/auctions/{auction}")).text
        assert "Accepted: you lead." in page_text(await ann.get(f"/en/bids/{form}"))
        assert (await bob.get(f"/en/bids/{form}")).status_code == 404
        assert (await nobody.submit(f"/en/auctions/{auction}/bids", {"amount": "50"})).status_code in (401, 303)
        await bob.submit(f"/fr/auctions/{auction}/bids", {"amount": "1 000,50 €"})
        row = await get_auction(auction)
        assert (row.bid_count, row.price_minor) == (2, 5_250)
        shown = page_text(await ann.get(f"/en/auctions/{auction}"))
        assert "You have been outbid" in shown
        assert "A late bid moved the end" in shown
        assert "Vous êtes en tête" in page_text(await bob.get(f"/fr/auctions/{auction}"))
        odd = await bob.submit(f"/en/auctions/{auction}/bids", {"amount": "much"})
        assert odd.status_code == 422
        assert re.search(r'id="amount"[^>]* value="much"[^>]* aria-invalid="true"', odd.text)
        assert "Write an amount in euros, such as 1250.00." in page_text(odd)
        again = await bob.get(f"/fr/auctions/{auction}/bids")
        assert (again.status_code, again.headers["location"]) == (303, f"/fr/auctions/{auction}"), (
            "whose language changed"
        )
        assert "<svg" in (await nobody.get(f"/en/auctions/{auction}/chart")).text
        assert "100050" not in (await nobody.get(f"/en/auctions/{auction}")).text, "a maximum is shown to nobody"
        assert "Live auction" in page_text(await nobody.get("/en/auctions"))
        log = [(await nobody.get(f"/en/auctions/{auction}?page={number}")).text for number in (1, 2)]
        assert ["data-log" in one for one in log] == [True, False], "new bids are written into the first page alone"


@pytest.mark.usefixtures("stripe")
async def test_the_winner_pays_and_holds_the_window_alone() -> None:

    release = await open_shop()
    offer = await fetch_value("SELECT id FROM offer")
    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    await save_card(ann)
    await save_card(bob)
    now = clock.now()
    auction = await announce(
        Plan(
            kind="exclusive",
            offer=offer,
            releases=[release],
            opens_at=now - SECOND,
            closes_at=now + MINUTE,
            exclusive_from=now + MINUTE,
            exclusive_to=now + dt.timedelta(days=30),
            unsecured_times=100,
        ),
        by="Steward",
    )
    async with Browser() as winner, Browser(winner.app) as loser:
        await winner.sign_in("atelier@partner.example")
        await loser.sign_in("bureau@partner.example")
        await winner.submit(f"/en/auctions/{auction}/bids", {"amount": "90000.00", "nonce": "ab" * 32})
        await loser.submit(f"/en/auctions/{auction}/bids", {"amount": "40000.00", "nonce": "cd" * 32})
        await move_end(auction)
        await ending.close_auctions()
        assert "You won" in page_text(await winner.get(f"/en/auctions/{auction}"))
        assert "Outbid" in page_text(await loser.get(f"/en/auctions/{auction}"))
        sale = await fetch_value("SELECT id FROM auction_sale")
        assert (await loser.submit(f"/en/auctions/sales/{sale}/pay", {})).status_code == 404
        order = str(uuid.uuid4())
        for _ in range(2):
            answer = await winner.submit(f"/en/auctions/sales/{sale}/pay", {}, form_id=order)
            assert answer.headers["location"] == f"/en/orders/{order}"
        address = await fetch_value("SELECT checkout_url FROM payment WHERE subject = $1", uuid.UUID(order))
        assert (await pay(address)).status_code == 303
        await jobs()
        await execute("UPDATE auction_sale SET due_at = now() - interval '1 hour'")
        assert await ending.settle_sales() == 1
        assert await ending.settle_sales() == 0
        row = await fetch_one("SELECT * FROM purchase_order")
        assert row
        assert (row["state"], row["net_minor"], row["partner"]) == ("paid", 4_000_000, ann)
        assert await counts("licence", "entitlement") == (1, 1)
        assert "Paid." in page_text(await winner.get(f"/en/auctions/{auction}"))
    with clock.shifted(2 * MINUTE):
        with pytest.raises(Conflict, match="exclusively"):
            await catalogue.quote(bob, release, quote_id=uuid.uuid4())
        await catalogue.quote(ann, release, quote_id=uuid.uuid4())


async def beneath(table: str, column: str) -> None:
    """Let an instant come now, beneath the guards that keep it where it was announced."""
    await as_owner(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    await as_owner(f"UPDATE {table} SET {column} = clock_timestamp()")
    await as_owner(f"ALTER TABLE {table} ENABLE TRIGGER USER")


RULES = {
    "exclusive": ("nobody else may buy during the window", "personne d’autre ne peut acheter"),
    "limited": ("2 licences go to the highest sealed bids", "2 licences vont aux plus hautes offres"),
    "ascending": ("the site bids for you, only as far as it must", "le site enchérit pour vous"),
    "bundle": ("you win at most one of your packages", "vous gagnez au plus un"),
}


@pytest.mark.parametrize("kind", RULES)
async def test_each_kind_shows_its_rule_and_its_state(kind: str) -> None:
    """Announced, open, closed, awarded: in words, in both languages, for a stranger, a bidder and a steward."""
    await save_card(await make_buyer("atelier"))
    await add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)
    licences = {"licences": 2} if kind == "limited" else {}
    auction = await open_auction(
        kind, releases=2 if kind == "bundle" else 1, opens_at=clock.now() + dt.timedelta(minutes=30), **licences
    )
    async with Browser() as nobody, Browser(nobody.app) as bidder, Browser(nobody.app) as steward:
        await bidder.sign_in("atelier@partner.example")
        await steward.sign_in("sam@operator.example")

        async def seen(english: str, french: str) -> None:
            for visitor in (nobody, bidder, steward):
                for language, state, rule in (("en", english, RULES[kind][0]), ("fr", french, RULES[kind][1])):
                    answer = await visitor.get(f"/{language}/auctions/{auction}")
                    assert answer.status_code == 200
                    assert state in page_text(answer)
                    assert rule in page_text(answer)

        await seen("Announced", "Annoncée")
        fields = {"amount": "50.00", "lot-0": "50.00", "lot-1": "", "all": "80.00", "nonce": "ab" * 32}
        answer = await bidder.submit(f"/en/auctions/{auction}/bids", fields)
        assert "not open yet" in page_text(answer)
        await beneath("auction", "opens_at")
        await seen("Time left", "Temps restant")
        answer = await bidder.submit(f"/en/auctions/{auction}/bids", fields)
        assert "Accepted" in page_text(await bidder.get(answer.headers["location"]))
        assert "What is happening" in page_text(await steward.get(f"/en/auctions/{auction}"))
        assert "What is happening" not in page_text(await bidder.get(f"/en/auctions/{auction}"))
        await beneath("auction_lead", "closes_at")
        await seen("Closing", "Clôture en cours")
        await ending.close(auction)
        await seen("Root published at close", "Racine publiée")
        await ending.award(auction)
        await seen("Download the transcript", "Télécharger")
        assert "You won" in page_text(await bidder.get(f"/en/auctions/{auction}"))


async def test_a_steward_announces_and_cancels() -> None:
    offer, _ = await make_offer(2)
    await add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)
    async with Browser() as steward:
        await steward.sign_in("sam@operator.example")
        assert "Announce" in page_text(await steward.get("/en/steward/auctions/new"))
        now = clock.now()
        fields = {
            "kind": "limited",
            "offer": str(offer),
            "opens_at": f"{now:%Y-%m-%dT%H:%M}",
            "licences": "3",
            "closes_at": f"{now + dt.timedelta(days=2):%Y-%m-%dT%H:%M}",
            "reserve": "120,00",
            "exclusive_from": "",
            "exclusive_to": "",
        }
        form = str(uuid.uuid4())
        for _ in range(2):
            answer = await steward.submit("/en/steward/auctions/new", fields, form_id=form)
            assert answer.headers["location"] == f"/en/auctions/{form}", answer.text
        row = await get_auction(uuid.UUID(form))
        assert (row.licences, row.reserve_minor, row.kind) == (3, 12_000, "limited")
        for bad in (
            {"kind": "dutch"},
            {"reserve": "-1"},
            {"closes_at": "soon"},
            {"closes_at": fields["opens_at"]},
            {"licences": "0"},
            {"licences": "many"},
            {"offer": "none"},
            {"kind": "exclusive", "licences": "1", "exclusive_from": "soon"},
        ):
            refused = await steward.submit("/en/steward/auctions/new", fields | bad)
            assert refused.status_code == 422, bad
            assert [*bad][-1] == "kind" or f'id="{[*bad][-1]}-error"' in refused.text, "said at the field"
            assert 'value="120,00"' in refused.text or "reserve" in bad, "what was typed is kept"
        for window in ({}, {"exclusive_from": fields["closes_at"], "exclusive_to": fields["closes_at"]}):
            refused = await steward.submit("/en/steward/auctions/reserve", fields | {"kind": "exclusive"} | window)
            assert refused.status_code == 422
            assert 'id="exclusive_from-error"' in refused.text
        led = await steward.get("/fr/steward/auctions/reserve")
        assert led.headers["location"] == "/fr/steward/auctions/new"
        happening = page_text(await steward.get(f"/en/steward/auctions/{form}/activity"))
        assert "Bids accepted 0" in " ".join(happening.split())
        shown = page_text(await steward.get(f"/en/auctions/{form}"))
        for sentence in (
            "12 months",
            "How the reserve came about",
            "The posted price today",
            "Raised by the steward",
            "3 licences go to the highest",
        ):
            assert sentence in shown
        assert "Exclusive from" not in shown
        await steward.submit(f"/en/auctions/{form}/cancel", {"reason": "The release is late"})
        assert "Cancelled: The release is late" in page_text(await steward.get(f"/en/auctions/{form}"))
    async with Browser() as nobody:
        assert (await nobody.submit(f"/en/auctions/{form}/cancel", {"reason": "x"})).status_code in (401, 303)
