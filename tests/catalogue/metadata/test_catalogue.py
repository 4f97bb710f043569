"""The catalogue for harvesters: what is for sale as DCAT-AP, the same in both notations; shapes find no fault in it."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from lxml import etree

from marketplace.core.database import execute
from marketplace.core.settings import settings
from tests.sales.builders.shop import open_shop
from tests.support.clients import environment, run
from tests.support.sites import the_site

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
MOBILITY = "http://w3id.org/mobilitydcat-ap#"
MUTATIONS = {
    "a title is missing": (f"<{DCT}title>", f"<{DCT}heading>"),
    "a distribution leads nowhere": (f"<{DCAT}accessURL>", f"<{DCAT}address>"),
    "a description is missing": (f"<{DCT}description>", f"<{DCT}summary>"),
    "a contact is no contact": ("<http://www.w3.org/2006/vcard/ns#Kind>", "<http://xmlns.com/foaf/0.1/Document>"),
    "a publisher is no agent": ("<http://xmlns.com/foaf/0.1/Agent>", "<http://xmlns.com/foaf/0.1/Thing>"),
}
OF_MOBILITY = {
    "a theme is missing": (f"<{MOBILITY}mobilityTheme>", f"<{MOBILITY}theme>"),
    "a standard is missing": (f"<{MOBILITY}mobilityDataStandard>", f"<{MOBILITY}standard>"),
    "rights are of no kind": (f"<{DCT}type>", f"<{DCT}kind>"),
    "an entry has no beginning": (f"<{DCT}created>", f"<{DCT}available>"),
    "a contact has no mail": (
        "<http://www.w3.org/2006/vcard/ns#hasEmail>",
        "<http://www.w3.org/2006/vcard/ns#hasNote>",
    ),
}
"""What mobilityDCAT-AP asks for besides."""
HARVESTER = """
import json, sys
from ckanext.dcat.processors import RDFParser
for path in sys.argv[1:]:
    parser = RDFParser(profiles=["euro_dcat_ap_3"])
    parser.parse(open(path).read(), _format=path.rpartition(".")[2].replace("jsonld", "json-ld").replace("ttl", "turtle"))
    print("found", json.dumps(list(parser.datasets())))
"""
CKAN = (
    *("ckanext-dcat==2.4.4", "ckan==2.12.0", "sqlalchemy==2.0.51", "flask==3.1.3", "werkzeug==3.1.8", "babel==2.18.0"),
    *("flask-login==0.6.3", "flask-babel==4.0.0", "simplejson==4.3.0", "msgspec==0.22.0", "tzlocal==5.4.5"),
    *("dominate==2.9.1", "markdown==3.11.3", "nh3==0.3.8", "polib==1.2.0", "file-keeper==0.2.6", "alembic==1.20.1"),
    *("requests==2.34.2", "passlib==1.7.4", "webassets==3.0.0", "packaging==26.4", "rq==3.0.0", "pysolr==3.11.0"),
    "pyjwt==2.15.1",
)
"""The parser and what importing it needs; CKAN's own list pins what only a whole server needs, and is not to be had."""


RELATION = r"(<[^<>\s]+>|_:b\d+) <[^<>\s]+> (<[^<>\s]+>|_:b\d+) \."
LITERAL = r'(?:<[^<>\s]+>|_:b\d+) <[^<>\s]+> ("(?:[^"\\\n\r]|\\.)*")(?:@\w+|\^\^<[^<>\s]+>)? \.'


async def machine_catalogue(path: str, **headers: str) -> httpx.Response:
    app, site = the_site(), "http://testserver.example"
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=site, follow_redirects=True) as harvester:
        return await harvester.get(path, headers=headers)


async def fetched(name: str) -> httpx.Response:
    return await machine_catalogue(f"/catalogue.{name}")


async def test_harvesters_read_what_is_for_sale() -> None:
    await open_shop()
    document = await fetched("jsonld")
    assert document.headers["content-type"] == "application/ld+json"
    [dataset] = document.json()["dcat:dataset"]
    assert (dataset["dct:identifier"], dataset["@type"]) == ("lyon", "dcat:Dataset")
    assert "hydra:next" not in document.json()["hydra:view"]
    await execute("UPDATE dataset SET product = 'flows'")
    [flows] = (await fetched("jsonld")).json()["dcat:dataset"]
    for row, mobility, themes in ((dataset, "other", ["SOCI", "TRAN"]), (flows, "traffic-volume", ["TRAN"])):
        assert row["mobilitydcatap:mobilityTheme"]["@id"].endswith(f"/mobility-theme/{mobility}")
        assert [one["@id"].rpartition("/")[2] for one in row["dcat:theme"]] == themes
    text = (await fetched("ttl")).text
    for line in text.splitlines():
        assert re.fullmatch(r'(<\S+>|_:b\d+) <\S+> (<\S+>|_:b\d+|".*"(@\w+|\^\^<\S+>)?) \.', line), line
    assert '<http://purl.org/dc/terms/identifier> "lyon" .' in text


async def test_search_engines_find_the_pages_for_everybody_in_both_languages() -> None:
    await open_shop()
    app = the_site()
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
    app = the_site()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver.example") as engine:
        page = (await engine.get("/en/datasets/lyon")).text
        french = (await engine.get("/fr/datasets/lyon")).text
    [text] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    document = json.loads(text)
    assert (document["@type"], document["identifier"]) == ("Dataset", "lyon")
    assert document["description"] == "Who </script><b> is where."
    assert [one["name"] for one in document["variableMeasured"]] == ["zone", "starts_at", "segment", "people", "events"]
    assert '"inLanguage": "fr"' in french


TITLE = """</script>" . } @prefix : <x> . <s> <p> "o" ; \\ \u2028\u0085\t\x7f\ufffe <!-- &amp; {{7*7}} @en"""
"""Ends everything that it may be written in."""


async def test_no_title_ends_what_it_is_written_in() -> None:
    await open_shop()
    written = "UPDATE dataset SET title_fr = $1, title_en = $1, description_fr = $1, description_en = $1"
    await execute(written, TITLE)
    [dataset] = (await fetched("jsonld")).json()["dcat:dataset"]
    assert [one["@value"] for one in dataset["dct:title"]] == [TITLE] * 2
    lines = (await fetched("ttl")).content.decode().split("\n")[:-1]
    literals = [json.loads(found[1]) for line in lines if (found := re.fullmatch(LITERAL, line))]
    assert literals.count(TITLE) >= 4
    assert all(re.fullmatch(RELATION, line) or re.fullmatch(LITERAL, line) for line in lines)
    page = (await machine_catalogue("/en/datasets/lyon")).text
    [text] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(text)["name"] == TITLE
    for name in ("..%2f..%2fetc", "lyon%00", "'lyon", "%3Cscript%3E"):
        assert (await machine_catalogue(f"/datasets/{name}/licence.jsonld")).status_code in {400, 404}
    for number in ("0", "-1", "1000001", "9" * 400):
        assert (await machine_catalogue(f"/catalogue.ttl?page={number}")).status_code in {400, 422}
    assert (await machine_catalogue("/catalogue.jsonld?page=1000000")).json()["dcat:dataset"] == []


async def test_one_address_answers_people_and_harvesters() -> None:
    await open_shop()
    for accept, kind in (
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("*/*", "text/html"),
        ("text/turtle", "text/turtle"),
        ("application/ld+json;q=0.9, text/turtle;q=0.2, text/html;q=0.1", "application/ld+json"),
        ("text/html, application/ld+json;q=0.9", "text/html"),
        ("application/ld+json;q=0, text/turtle;q=much", "text/html"),
    ):
        answer = await machine_catalogue("/catalogue", accept=accept)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind), accept
    assert (await machine_catalogue("/en/catalogue?page=2", accept="text/turtle")).url.params["page"] == "2"


async def test_the_licence_is_an_offer_that_the_page_and_the_catalogue_name() -> None:
    await open_shop()
    await execute("UPDATE purpose SET dpv = 'ImproveTransportMobility'")
    await execute("UPDATE dataset SET sectors = '{transport}', cadence = 'week'")
    [dataset] = (await fetched("jsonld")).json()["dcat:dataset"]
    assert dataset["dpv:hasPurpose"]["@id"] == "https://w3id.org/dpv#ImproveTransportMobility"
    assert dataset["dct:accrualPeriodicity"]["@id"].endswith("/frequency/WEEKLY")
    assert "dcat:contactPoint" not in dataset, "nobody can be written to"
    policy = dataset["dcat:distribution"]["odrl:hasPolicy"]["@id"]
    path = policy[policy.index("/datasets/") :]
    assert f'href="{path}"' in (await machine_catalogue("/en/datasets/lyon")).text
    offered = await machine_catalogue(path)
    assert offered.headers["content-type"] == "application/ld+json"
    document = offered.json()
    assert document["odrl:uid"] == {"@id": policy}
    assert document["dct:identifier"] == "standard-1"
    assert document["dct:description"][1]["@value"].startswith("One\nTwo\nOnly for these sectors")
    left = [one["odrl:leftOperand"]["@id"] for one in document["odrl:permission"][0]["odrl:constraint"]]
    assert left == ["odrl:elapsedTime", "odrl:industry"]
    await execute("UPDATE offer SET withdrawn_at = now()")
    assert (await machine_catalogue(path)).status_code == 404


@pytest.mark.deep
async def test_ckans_harvester_reads_the_catalogue(tmp_path: Path) -> None:
    await open_shop()
    python = await asyncio.to_thread(environment, *CKAN)
    documents = [tmp_path / f"catalogue.{name}" for name in ("jsonld", "ttl")]
    for path in documents:
        path.write_bytes((await fetched(path.suffix[1:])).content)
    printed = await run(python, HARVESTER, *map(str, documents), folder=tmp_path)
    found = [json.loads(line.partition(" ")[2]) for line in printed.splitlines() if line.startswith("found ")]
    assert len(found) == len(documents), printed
    for [dataset] in found:
        extras = {one["key"]: one["value"] for one in dataset["extras"]}
        assert extras["identifier"] == "lyon"
        assert dataset["title"]
        assert dataset["notes"]
        assert extras["publisher_name"]
        assert extras["temporal_start"] < extras["temporal_end"]
        assert extras["access_rights"].endswith("/RESTRICTED")
        [resource] = dataset["resources"]
        assert resource["access_url"].endswith("/datasets/lyon")
        assert resource["license"].endswith("/datasets/lyon/licence.jsonld")


@pytest.mark.deep
@pytest.mark.skipif(not SHAPES.is_dir(), reason=NO_SHAPES)
@pytest.mark.parametrize("names", [("3.0.1-shapes", "3.0.1-range"), ("mobility-1.0.x-shapes",)])
async def test_two_engines_find_no_fault_by_the_shapes_and_each_planted_one(
    names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACT_EMAIL", "data@partage.example")
    settings.cache_clear()
    await open_shop()
    await execute("UPDATE purpose SET dpv = 'ImproveTransportMobility'")
    mutations = OF_MOBILITY if names[0].startswith("mobility") else MUTATIONS
    python = await asyncio.to_thread(environment, "pyshacl==0.40.1", "pyshifty[rdflib]==0.5.1")
    shapes = [str(SHAPES / f"{name}.ttl") for name in names]
    documents = [tmp_path / f"catalogue.{name}" for name in ("jsonld", "ttl")]
    for path in documents:
        path.write_bytes((await fetched(path.suffix[1:])).content)
    text = documents[1].read_text()
    for number, (old, new) in enumerate(mutations.values()):
        assert old in text
        documents.append(tmp_path / f"catalogue-{number}.ttl")
        documents[-1].write_text(text.replace(old, new))
    printed = await run(python, PROGRAM, *map(str, documents), *shapes, folder=tmp_path)
    found = [line.split() for line in printed.splitlines() if line.startswith("catalogue")]
    assert [line[1:3] for line in found[:2]] == [["True", "True"]] * 2, printed
    assert found[0][3] == found[1][3], "both notations have the same triples"
    judged = dict(zip(mutations, (line[1:3] for line in found[2:]), strict=True))
    assert judged == {key: ["False", "False"] for key in mutations}
