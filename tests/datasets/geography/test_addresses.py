"""Addresses that people write are found in the operator's table, each where its town says; none is logged or kept."""

import asyncio
import gzip
import logging
import os
import sys
from pathlib import Path

import h3
import html5lib
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from marketplace.catalogue.chosen_zones.rules import read_file
from marketplace.core.errors import Invalid
from marketplace.datasets.geography import address_queries
from marketplace.datasets.geography.address_actions import load_addresses
from marketplace.datasets.geography.address_rules import Several, of_row, read_line
from tests.catalogue.builders import make_vetted_partner, open_catalogue, seal_week
from tests.datasets.builders import ZONES
from tests.people.builders import Browser, page_text
from tests.support.reads import fetch, fetch_value

PAGE = "/en/datasets/lyon/preview"
HEADING = "id;numero;rep;nom_voie;code_postal;code_insee;nom_commune;x;y;lon;lat"


def ban(*rows: tuple[str, str, str, str, str, str]) -> bytes:
    """Return a file of the Base Adresse Nationale: number, suffix, street, postcode, town, and the zone each lies in."""
    lines = [HEADING]
    for number, suffix, street, postcode, town, zone in rows:
        latitude, longitude = h3.cell_to_latlng(zone) if zone else ("", "")
        lines.append(f'x;{number};{suffix};"{street}";{postcode};69000;{town};0;0;{longitude};{latitude}')
    return ("\n".join(lines) + "\n").encode()


SHOPS = ban(
    ("12", "", "Rue Victor Hugo", "69002", "Lyon 2e Arrondissement", ZONES[1]),
    ("12", "bis", "Rue Victor Hugo", "69002", "Lyon 2e Arrondissement", ZONES[2]),
    ("8", "a", "Boulevard de l’Église", "01150", "Lagnieu", ZONES[3]),
    ("8", "a", "Boulevard de l’Église", "01150", "Saint-Sorlin", ZONES[4]),
    ("12", "", "rue victor-hugo", "69002", "Lyon 2e Arrondissement", ZONES[5]),
    ("", "", "Le Bourg", "69002", "Lyon", ZONES[1]),
    ("7", "", "Rue sans lieu", "69002", "Lyon", ""),
    ("7", "", "", "69002", "Lyon", ZONES[1]),
)


def test_an_address_is_one_however_it_is_written() -> None:
    first = of_row("12", "", "Rue Victor Hugo", "69002", "Lyon 2e Arrondissement")
    assert first
    for line in ("12 rue Victor-Hugo, 69002 Lyon", "12, RUE VICTOR HUGO 69002 LYON CEDEX", "12 r. Victor Hugo 69002"):
        found = read_line(line)
        assert found is not None, line
        assert found.key == first.key, line
    written = of_row("3", "b", "Avenue Saint-Just", "01000", "Bourg")
    assert {read_line(f"{number} Av. St-Just 01000 Bourg") for number in ("3b", "3 B", "3 b,", "03b")} == {written}
    assert read_line("5 r Thiers 69002") == of_row("5", "", "Rue Thiers", "69002", "")
    assert read_line("1 rue Longue 01000 Bourg") == of_row("1", "", "rue longue", "1000", "Bourg"), "a lost zero"
    for other in (
        "69002",
        "69002 Lyon",
        "Lyon 2e",
        "45.7578, 4.8320",
        "12 69002 69003",
        "12 rue Longue",
        "",
        "3 69002 Lyon",
    ):
        assert read_line(other) is None, other
    for row in (("x", "", "Rue", "69002"), ("1", "", "Rue", "6 9"), ("1", "", "", "69002"), ("", "", "Rue", "69002")):
        assert of_row(*row, "Lyon") is None, row


async def zones_found(*lines: str) -> list[str | None]:
    """Return the zone that each line lies in, None for one that is not found."""
    places = await address_queries.find_addresses(lines)
    return [h3.latlng_to_cell(*place, 8) if isinstance(place := places.get(line), tuple) else None for line in lines]


def zone(number: int) -> str:
    return str(h3.latlng_to_cell(*h3.cell_to_latlng(ZONES[number]), 8))


async def test_the_latest_file_counts_whole(tmp_path: Path, database_url: str) -> None:
    line = "12 rue Victor Hugo, 69002 Lyon"
    assert not await address_queries.has_addresses()
    assert await address_queries.find_addresses([line]) == {}
    file = tmp_path / "adresses-69.csv.gz"
    file.write_bytes(gzip.compress(SHOPS))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marketplace", "addresses", str(file)),
        env=os.environ | {"DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE,
    )
    printed = (await process.communicate())[0].decode()
    assert "4 addresses are found" in printed
    assert "3 rows have no number, street, postcode or place" in printed
    assert (await load_addresses(file)).addresses == 4
    assert await fetch_value("SELECT count(*) FROM address_load") == 1, "the same file again changes nothing"
    twice = "8a boulevard de l’Eglise 01150"
    assert await zones_found(
        line, "12 bis rue Victor Hugo 69002", f"{twice} Lagnieu", f"{twice} St Sorlin", twice, "9 rue X 69002"
    ) == [
        zone(1),
        zone(2),
        zone(3),
        zone(4),
        None,
        None,
    ], "without its town it may be either, so it is none"

    latitude, longitude = h3.cell_to_latlng(ZONES[6])
    row = {"number": 12, "street": "rue Victor Hugo", "postcode": 69002, "town": "Lyon"}
    other = tmp_path / "ours.parquet"
    pq.write_table(pa.Table.from_pylist([row | {"longitude": longitude, "latitude": latitude}]), other)
    assert (await load_addresses(other)).addresses == 1
    assert await zones_found(line, f"{twice} Lagnieu") == [zone(6), None]
    assert await fetch_value("SELECT count(*) FROM address") == 1, "the former file's are deleted"


CITY = ban(
    ("12", "", "Rue de la République", "69002", "Lyon 2e Arrondissement", ZONES[1]),
    ("14", "", "Rue de la République", "69001", "Lyon 1er Arrondissement", ZONES[2]),
    ("5", "", "Place Bellecour", "69002", "Lyon 2e Arrondissement", ZONES[3]),
    ("3", "", "Grande Rue", "69001", "Lyon 1er Arrondissement", ZONES[4]),
    ("3", "", "Grande Rue", "69005", "Lyon 5e Arrondissement", ZONES[5]),
    ("7", "", "Rue du Port", "93200", "Saint-Denis", ZONES[1]),
    ("7", "", "Rue du Port", "97400", "Saint-Denis", ZONES[2]),
    ("9", "ter", "Rue de l’Église", "01000", "Bourg-en-Bresse", ZONES[6]),
    ("8", "a", "Boulevard de l’Église", "01150", "Lagnieu", ZONES[3]),
    ("8", "a", "Boulevard de l’Église", "01150", "Saint-Sorlin", ZONES[4]),
)


async def test_addresses_are_found_as_people_paste_them(tmp_path: Path) -> None:
    """With or without a postcode, before or after the town, in small letters, without accents or commas."""
    (tmp_path / "city.csv").write_bytes(CITY)
    await load_addresses(tmp_path / "city.csv")
    for line, place in (
        ("12 rue de la République, Lyon", 1),
        ("12 rue de la République, 69002 Lyon", 1),
        ("12 rue de la republique lyon", 1),
        ("12, RUE DE LA RÉPUBLIQUE, LYON, FRANCE", 1),
        ("12 rue de la République, Lyon 2e", 1),
        ("12 rue de la République, Lyon 2ème arrondissement", 1),
        ("12 rue de la République - Lyon 02", 1),
        ("12 rue de la republique, lyon 69002", 1),
        ("12 rue de la republique lyon 69002 france", 1),
        ("14 rue république Lyon", 2),
        ("5 pl. Bellecour Lyon", 3),
        ("3 grande rue, Lyon 5", 5),
        ("3 Grande Rue, 69001", 4),
        ("7 rue du port saint-denis 93200", 1),
        ("9 ter rue de l'eglise, bourg en bresse", 6),
        ("8a bd de l'eglise, st sorlin", 4),
    ):
        assert await zones_found(line) == [zone(place)], line
    answers = await address_queries.find_addresses(
        ["3 grande rue, Lyon", "7 rue du Port, Saint-Denis", "8 a boulevard de l'Eglise 01150"]
    )
    assert [answer.postcodes for answer in answers.values() if isinstance(answer, Several)] == [
        ("69001", "69005"),
        ("93200", "97400"),
        (),
    ], "what a street is in twice is asked about, by its postcodes; where the postcode is one, by its towns"
    for line in ("14 rue de la République, 69002 Lyon", "14 rue de la République, Lyon 2", "1 rue Inconnue, Lyon"):
        assert await address_queries.find_addresses([line]) == {line: None}, line
    for line in ("12 69002", "69002 Lyon", "45.76, 4.83", "12 Lyon", "Lyon 2", "12 Longue, Ailleurs"):
        assert await address_queries.find_addresses([line]) == {}, line
    assert await fetch_value("SELECT count(*) FROM address_town WHERE town::text ~ '[a-z]'") == 0, "hashes, no names"


async def test_an_address_in_several_places_is_asked_about(tmp_path: Path) -> None:
    await open_catalogue()
    release = await seal_week()
    (tmp_path / "city.csv").write_bytes(CITY)
    await load_addresses(tmp_path / "city.csv")
    asked = {"release": str(release), "zones": "3 grande rue, Lyon\n12 rue de la république lyon"}
    async with Browser() as stranger:
        for language, words in (
            ("en", "its postcode is one of 69001, 69005"),
            ("fr", "l’un de ceux-ci : 69001, 69005"),
        ):
            page = PAGE.replace("/en", f"/{language}")
            answer = await stranger.submit(page, asked, seen_at=page)
            html5lib.HTMLParser(strict=True).parse(answer.text)
            assert words in page_text(answer).replace("\xa0", " ")
            assert answer.text.count('chosen" data-zone') == 1, "the other is found meanwhile"
        asked_again = await stranger.submit(PAGE, asked | {"zones": "3 grande rue, Lyon"}, seen_at=PAGE)
        assert "69001, 69005" in page_text(asked_again)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.csv", b"number;street\n1;x\n", "has no column postcode, town, longitude, latitude"),
        ("a.csv", HEADING.encode() + b"\n", "has no address"),
        ("a.csv", HEADING.encode() + b"\n1;2\n", "cannot be read"),
        ("a.csv", b"\xff\xfe", "cannot be read"),
        ("a.csv.gz", b"no gzip", "cannot be read"),
        ("a.parquet", b"no parquet", "cannot be read"),
    ],
)
async def test_what_is_no_file_of_addresses_is_refused(tmp_path: Path, name: str, data: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Invalid) as refused:
        await load_addresses(tmp_path / name)
    assert sentence in refused.value.sentence.format(**refused.value.fields)
    with pytest.raises(Invalid):
        await load_addresses(tmp_path / "none.csv")


async def test_a_partner_writes_addresses_and_keeps_zones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    await open_catalogue()
    release = await seal_week()
    await make_vetted_partner()
    async with Browser() as stranger, Browser() as claire:
        assert "Addresses too" not in (await stranger.get(PAGE)).text
        file = tmp_path / "a.csv"
        file.write_bytes(SHOPS)
        await load_addresses(file)
        for language, words in (("en", "Addresses too"), ("fr", "Des adresses aussi")):
            page = await stranger.get(f"/{language}/datasets/lyon/preview")
            html5lib.HTMLParser(strict=True).parse(page.text)
            assert words in page.text
        caplog.set_level(logging.DEBUG)
        written = "12 rue Victor-Hugo, 69002 Lyon\n12 bis rue Victor Hugo 69002\n99 rue Inconnue, 69002 Lyon\n8A bd de l'Eglise 01150 Lagnieu"
        await claire.sign_in("claire@atelier.example")
        for browser in (stranger, claire):
            answer = await browser.submit(PAGE, {"release": str(release), "zones": written}, seen_at=PAGE)
            assert answer.status_code == 200, page_text(answer)
            shown = page_text(answer)
            assert (
                "Not understood: “99 rue Inconnue, 69002 Lyon”" in shown.replace("\n", " ")
                or "99 rue Inconnue" in shown
            )
            assert answer.text.count('chosen" data-zone') == 3, "the postcode of an unknown address is not asked about"
        assert 'name="zones" value="' + "\n".join(sorted(ZONES[1:4])) in answer.text
        asked = {"release": str(release), "zones": "99 rue Inconnue, 69002 Lyon"}
        assert (await stranger.submit(PAGE, asked, seen_at=PAGE)).status_code == 422
        logged = caplog.text + "".join(capfd.readouterr())
        assert "hugo" not in logged.lower().replace("é", "e")
        assert "inconnue" not in logged.lower()
        names = [
            row["name"]
            for row in await fetch("SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'")
        ]
        for name in names:
            assert not await fetch_value(f"SELECT count(*) FROM {name} AS one WHERE one::text ~* 'hugo|inconnue'"), name
    assert read_file(b"Magasin;Adresse;CP;Ville\nA;12 rue Longue;69002;Lyon\n") == "12 rue Longue 69002 Lyon"
