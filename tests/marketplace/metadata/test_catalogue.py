"""The catalogue for harvesters: what is for sale as DCAT-AP, the same in both notations; shapes find no fault in it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from lxml import etree

from marketplace.app import create_app
from marketplace.database import execute
from tests.marketplace.purchases.shop import open_shop
from tests.support.clients import environment, run

SHAPES = Path(__file__).resolve().parents[4] / "shared" / "specs" / "dcat"
NO_SHAPES = "the shapes of DCAT-AP are published by SEMIC, and are not in this repository"
PROGRAM = """
import sys
import pyshacl, shifty
from rdflib import Graph
shapes, documents = Graph(), [path for path in sys.argv[1:] if "catalogue" in path]
for path in sys.argv[1:]:
    if path not in documents:
        shapes.parse(path, format="turtle")
stated = shapes.serialize(format="turtle")
for path in documents:
    data = Graph().parse(path, format=path.rpartition(".")[2].replace("jsonld", "json-ld"))
    first = pyshacl.validate(data, shacl_graph=shapes, advanced=False, inference="none")[0]
    second = shifty.validate(data.serialize(format="turtle"), stated)[0]
    print(path.rpartition("/")[2], first, second, len(data))
"""
"""Two engines judge each document."""
DCAT, DCT = "http://www.w3.org/ns/dcat#", "http://purl.org/dc/terms/"
MUTATIONS = {
    "a title is missing": (f"<{DCT}title>", f"<{DCT}heading>"),
    "a distribution leads nowhere": (f"<{DCAT}accessURL>", f"<{DCAT}address>"),
    "a description is missing": (f"<{DCT}description>", f"<{DCT}summary>"),
    "a contact is no contact": ("<http://www.w3.org/2006/vcard/ns#Kind>", "<http://xmlns.com/foaf/0.1/Document>"),
    "a publisher is no agent": ("<http://xmlns.com/foaf/0.1/Agent>", "<http://xmlns.com/foaf/0.1/Thing>"),
}


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


async def test_a_datasets_page_says_in_json_what_it_is() -> None:
    await open_shop()
    await execute("UPDATE dataset SET description_en = 'Who </script><b> is where.'")
    app = create_app(manages_pool=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver.example") as engine:
        page = (await engine.get("/en/datasets/lyon")).text
        french = (await engine.get("/fr/datasets/lyon")).text
    [text] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    document = json.loads(text)
    assert (document["@type"], document["identifier"]) == ("Dataset", "lyon")
    assert document["description"] == "Who </script><b> is where."
    assert [one["name"] for one in document["variableMeasured"]] == ["zone", "starts_at", "segment", "people", "events"]
    assert '"inLanguage": "fr"' in french


@pytest.mark.deep
@pytest.mark.skipif(not SHAPES.is_dir(), reason=NO_SHAPES)
async def test_two_engines_find_no_fault_by_the_shapes_of_dcat_ap_and_each_planted_one(tmp_path: Path) -> None:
    await open_shop()
    python = await asyncio.to_thread(environment, "pyshacl==0.40.1", "pyshifty[rdflib]==0.5.1")
    shapes = [str(SHAPES / f"3.0.1-{name}.ttl") for name in ("shapes", "range")]
    documents = [tmp_path / f"catalogue.{name}" for name in ("jsonld", "ttl")]
    for path in documents:
        path.write_bytes((await fetched(path.suffix[1:])).content)
    text = documents[1].read_text()
    for number, (old, new) in enumerate(MUTATIONS.values()):
        assert old in text
        documents.append(tmp_path / f"catalogue-{number}.ttl")
        documents[-1].write_text(text.replace(old, new))
    printed = await run(python, PROGRAM, *map(str, documents), *shapes, folder=tmp_path)
    found = [line.split() for line in printed.splitlines() if line.startswith("catalogue")]
    assert [line[1:3] for line in found[:2]] == [["True", "True"]] * 2, printed
    assert found[0][3] == found[1][3], "both notations have the same triples"
    judged = dict(zip(MUTATIONS, (line[1:3] for line in found[2:]), strict=True))
    assert judged == {key: ["False", "False"] for key in MUTATIONS}
