"""The attack: buy the right to pass figures on, and share one licence among ten companies, or with a sector switched off."""

import io
import uuid
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import object_store
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.datasets.releases import actions
from pricing.order import Licence, price
from tests.catalogue.builders import charge_at_least, make_span, open_catalogue, put_on_sale, seal_week
from tests.datasets.builders import PERIOD, ZONES, crowd, declare, make_subscribers, write
from tests.people.builders import make_partner, visiting, words
from tests.support.reads import fetch_one

TEN = [f"Company {number}" for number in range(10)]


async def sell_week(right: str, code: str = "city") -> uuid.UUID:
    """Sell the week of a dataset under a right, and return its release."""
    await catalogue.define_terms(f"{right}-1", right=right, months=12, lines_fr="un", lines_en="one")
    await put_on_sale(code, terms=f"{right}-1", worth_minor=10_000_000, least_minor=1)
    return (await fetch_one("SELECT id FROM release WHERE dataset = $1", code))["id"]  # type: ignore[index]


async def signed_price(partner: uuid.UUID, release: uuid.UUID, **how: Any) -> tuple[uuid.UUID, int, Any]:
    """Return a quote of a release, its amount, and its price as its own document gives it."""
    quote = await catalogue.quote(partner, release, quote_id=uuid.uuid4(), **how)
    row = await fetch_one("SELECT amount_minor, document, signature FROM quote WHERE id = $1", quote)
    assert row
    key = public_key(settings().signing_key).hex()
    return quote, row["amount_minor"], catalogue.rules.recompute(row["document"], row["signature"], key)


async def test_a_licence_to_pass_on_to_ten_companies_costs_ten_inside_one() -> None:
    await open_catalogue("city")
    await make_span("city", len(ZONES), 0, 7)
    release, partner = await sell_week("internal"), await make_partner()
    await charge_at_least(1)
    _, for_one, inside = await signed_price(partner, release)
    assert await sell_week("resell") == release
    with_nobody, of_one, of_ten = [
        (await signed_price(partner, release, companies=named))[1:] for named in ([], ["Acme"], TEN)
    ]
    assert with_nobody[0] == of_one[0] == for_one
    assert of_ten[0] == price(inside.law, inside.lots * 10).amount_minor > 9 * for_one
    assert of_ten[1].lots[0].licence.companies == tuple(TEN)
    doubled = [name.upper() for name in TEN] + [f" {name} " for name in TEN]
    assert (await signed_price(partner, release, companies=doubled))[1] == of_ten[0], "a company counts once"
    quote, _, _ = await signed_price(partner, release, companies=TEN)
    with pytest.raises(Conflict, match="already exists"):
        await catalogue.quote(partner, release, quote_id=quote, companies=TEN[:1])
    with pytest.raises(Invalid, match="at most"):
        await catalogue.quote(partner, release, quote_id=uuid.uuid4(), companies=[str(n) for n in range(101)])
    async with visiting(partner=partner) as buyer:
        assert "Company 7" in words(await buyer.get(f"/en/quotes/{quote}"))
    await sell_week("publish")
    with pytest.raises(Invalid, match="does not allow passing"):
        await catalogue.quote(partner, release, quote_id=uuid.uuid4(), companies=["Acme"])


def test_no_sheet_has_a_rate_for_passing_figures_on() -> None:
    assert "resell" not in catalogue.rules.RIGHTS
    assert Licence._field_defaults["companies"] == ()


async def test_sectors_bind_everyone_who_gets_the_figures_later(tmp_path: Path) -> None:
    await declare(sectors=["public", "research"], edition_multiples=[4])
    await make_subscribers(range(1, 301))
    files = write(tmp_path, crowd(300), range(1, 301))
    release = await actions.build("lyon", **files, **PERIOD)
    keys = object_store.cells_key(release), object_store.edition_key(release, 1)
    for file in [await object_store.get(key) for key in keys]:
        about = pq.read_table(io.BytesIO(file)).schema.metadata
        assert about[b"partage.sectors"] == b"public, research"


async def test_the_licence_of_a_dataset_for_some_sectors_says_so_to_people_and_to_programs() -> None:
    await open_catalogue("city", sectors=["public", "research"])
    await seal_week("city")
    await sell_week("resell")
    async with visiting() as stranger:
        assert "for nobody else who gets the figures from you" in words(await stranger.get("/en/datasets/city"))
        stated = (await stranger.get("/datasets/city/licence.jsonld", follow_redirects=True)).json()
    selling = next(one for one in stated["odrl:permission"] if one["odrl:action"]["@id"] == "odrl:sell")
    bound = {one["odrl:leftOperand"]["@id"]: one["odrl:rightOperand"] for one in selling["odrl:constraint"]}
    assert [one["@id"].rpartition("-")[2] for one in bound["odrl:industry"]] == ["public", "research"]
    assert bound["odrl:recipient"][0]["@id"].endswith("#companies")
    assert {"odrl:action": {"@id": "odrl:nextPolicy"}, "odrl:target": stated["odrl:uid"]} in selling["odrl:duty"]
    assert "odrl:distribute" in [one["odrl:action"]["@id"] for one in stated["odrl:prohibition"]]
    assert all("for nobody else" in one["@value"] for one in stated["dct:description"] if one["@language"] == "en")
