"""The catalogue for harvesters: what is for sale as DCAT-AP, the same in both notations; shapes find no fault in it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from lxml import etree

from marketplace.app import create_app
from tests.marketplace.purchases.shop import open_shop
from tests.support.clients import environment, run

SHAPES = Path(__file__).resolve().parents[4] / "shared" / "specs" / "dcat"
NO_SHAPES = "the shapes of DCAT-AP are published by SEMIC, and are not in this repository"
PROGRAM = """
import sys
from pyshacl import validate
from rdflib import Graph
shapes = Graph()
for path in sys.argv[2:]:
    shapes.parse(path, format="turtle")
data = Graph().parse(sys.argv[1], format=sys.argv[1].rpartition(".")[2].replace("jsonld", "json-ld"))
conforms, _, text = validate(data, shacl_graph=shapes, advanced=False, inference="none")
print("conforms" if conforms else text)
print(len(data))
"""


async def fetched(name: str) -> httpx.Response:
    app = create_app(manages_pool=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver.example") as harvester:
        return await harvester.get(f"/catalogue.{name}")


async def test_harvesters_read_what_is_for_sale() -> None:
    await open_shop()
    document = await fetched("jsonld")
    assert document.headers["content-type"] == "application/ld+json"
    [dataset] = document.json()["dcat:dataset"]
    assert (dataset["dct:identifier"], dataset["@type"]) == ("lyon", "dcat:Dataset")
    assert "hydra:next" not in document.json()["hydra:view"]
    text = (await fetched("ttl")).text
    for line in text.splitlines():
        assert re.fullmatch(r'(<\S+>|_:b\d+) <\S+> (<\S+>|_:b\d+|".*"(@\w+|\^\^<\S+>)?) \.', line), line
    assert '<http://purl.org/dc/terms/identifier> "lyon" .' in text


async def test_search_engines_find_the_pages_for_everybody_in_both_languages() -> None:
    await open_shop()
    app = create_app(manages_pool=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver.example") as crawler:
        robots = (await crawler.get("/robots.txt")).text
        assert "Disallow: /fr/orders\n" in robots
        index = (await crawler.get(robots.rpartition("Sitemap: ")[2].strip().partition("/sitemap")[1] + ".xml")).text
        assert index.count("<sitemap>") == 2
        pages, datasets = [(await crawler.get(f"/sitemaps/{number}")).text for number in (0, 1)]
        assert "/en/catalogue</loc>" in pages
        assert "/fr/datasets/lyon</loc><lastmod>" in datasets
        assert "<url>" not in (await crawler.get("/sitemaps/2")).text
        assert (await crawler.get("/sitemaps/-1")).status_code == 404
        page = (await crawler.get("/fr/datasets/lyon?release=&x=1")).text
        for address in etree.fromstring(datasets.encode()).iter("{*}loc"):
            assert address.text is not None
            assert f'href="{address.text}"' in page
        assert re.search('rel="canonical" href="[^"?]+/fr/datasets/lyon"', page)
        assert 'property="og:locale" content="fr_FR"' in page


@pytest.mark.deep
@pytest.mark.skipif(not SHAPES.is_dir(), reason=NO_SHAPES)
async def test_the_shapes_of_dcat_ap_find_no_fault(tmp_path: Path) -> None:
    await open_shop()
    python = await asyncio.to_thread(environment, "pyshacl==0.40.1")
    shapes = [str(SHAPES / f"3.0.1-{name}.ttl") for name in ("shapes", "range")]
    sizes = set()
    for name in ("jsonld", "ttl"):
        path = tmp_path / f"catalogue.{name}"
        path.write_bytes((await fetched(name)).content)
        conforms, size = (await run(python, PROGRAM, str(path), *shapes, folder=tmp_path)).rsplit("\n", 2)[:2]
        assert conforms == "conforms", conforms
        sizes.add(size)
        mutilated = tmp_path / f"mutilated.{name}"
        mutilated.write_text(path.read_text().replace("http://purl.org/dc/terms/title", "http://purl.org/dc/terms/x"))
        found = await run(python, PROGRAM, str(mutilated), *shapes, folder=tmp_path)
        assert name == "jsonld" or "conforms" not in found.splitlines()[0]
    assert len(sizes) == 1, "both notations have the same triples"
