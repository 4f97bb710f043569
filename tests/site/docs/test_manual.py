"""The manual is true: its tables say what the code does, its links lead somewhere, and every page is served."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from markupsafe import escape

from marketplace.__main__ import parser
from marketplace.core.errors import NotFound
from marketplace.core.settings import Settings
from marketplace.site.answers import MACHINE_PATHS
from marketplace.site.app import routes
from marketplace.site.docs import manual
from marketplace.site.jobs.timetable import jobs
from tests.people.builders import Browser, page_text

ROOT = Path(__file__).resolve().parents[3]
PAGES = [(part, name) for part, names in manual.PARTS.items() for name in names]


def table_of(name: str) -> list[list[str]]:
    """Return the rows of a reference page's table, cells stripped of backticks."""
    rows = [line for line in manual.text_of("reference", name).splitlines() if line.startswith("| ")][1:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows]


def test_every_command_is_listed() -> None:
    actions = [action for action in parser()._actions if action.choices]
    listed = {row[0]: row[1] for row in table_of("commands")}
    described = {f"python3 marketplace {name}": sub.description for name, sub in actions[0].choices.items()}  # type: ignore[union-attr]
    assert listed == described


def test_every_setting_is_listed() -> None:
    described = [[f.metadata["variable"], f.metadata["default"], f.metadata["description"]] for f in fields(Settings)]
    assert table_of("settings") == described


def test_every_job_is_listed() -> None:
    assert [row[0] for row in table_of("jobs")] == list(jobs())


def test_every_route_for_machines_is_listed() -> None:
    described = [
        [f"{method} {re.sub(r':[a-z]+}', '}', path)}", handler.fn.__doc__.strip().splitlines()[0]]
        for handler in routes()
        for path in handler.paths
        for method in handler.http_methods - {"HEAD", "OPTIONS"}
        if path.startswith(MACHINE_PATHS)
    ]
    assert table_of("routes") == sorted(described, key=lambda row: row[0].split()[::-1])


@pytest.mark.parametrize(("part", "name"), PAGES)
def test_every_page_reads_and_its_links_lead_somewhere(part: str, name: str) -> None:
    page = manual.read_page(part, name)
    assert page.title
    for target in re.findall(r'href="([^"]+)"', page.html):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        other = (part, path) if path and "/" not in path else tuple(path.split("/")[-2:]) if path else (part, name)
        assert other in PAGES, f"{part}/{name} links to {target}"
        if anchor:
            assert f'id="{anchor}"' in manual.read_page(*other).html, f"{part}/{name} links to {target}"


def test_every_file_of_the_manual_is_a_page() -> None:
    files = {(path.parent.name, path.stem) for path in (ROOT / "marketplace/site/docs").glob("*/*.md")}
    french = {(part, name.removesuffix(".fr")) for part, name in files if name.endswith(".fr")}
    assert {page for page in files if not page[1].endswith(".fr")} == set(PAGES)
    assert french <= set(PAGES)
    assert {page for page in PAGES if page[0] in ("subscriber", "steward", "finance")} <= french


def outline_of(text: str) -> list[str]:
    """Return what both languages of a page have alike: its headings, lists, tables and links, without their words."""
    marks = re.findall(r"^(#+|-|\d+\.|\|)|\]\(([^)]+)\)", text, re.MULTILINE)
    return ["".join(mark) for mark in marks]


@pytest.mark.parametrize(("part", "name"), [page for page in PAGES if manual.language_of(*page, "fr") == "fr"])
def test_a_page_says_the_same_in_both_languages(part: str, name: str) -> None:
    english, french = manual.text_of(part, name), manual.text_of(part, name, "fr")
    assert outline_of(french) == outline_of(english)
    assert 0.8 < len(french.split()) / len(english.split()) < 1.4


async def test_the_manual_is_searched_without_regard_to_case_and_accents() -> None:
    assert manual.search_pages("RELEVÉS clôture", "fr")[0].name == "month"
    assert manual.search_pages("releve", "fr")
    assert manual.search_pages("money your", "en")[0].name == "your-money", "titles come first"
    assert manual.search_pages("nowhere-to-be-found", "en") == manual.search_pages("a", "en") == []
    async with Browser() as visitor:
        shown = page_text(await visitor.get("/fr/docs?words=v%C3%A9rifi%C3%A9"))
        assert "Pages contenant" in shown
        assert "Aucune page" in page_text(await visitor.get("/fr/docs?words=%3Cb%3Ezzz"))
        assert (await visitor.get("/en/docs?words=" + "x" * 101)).status_code == 400


async def test_a_page_leads_to_those_before_and_after_it_and_says_which_language_it_is_in() -> None:
    async with Browser() as visitor:
        first = (await visitor.get("/fr/docs/finance/day")).text
        assert 'rel="next" href="/fr/docs/finance/month"' in first
        assert 'rel="prev"' not in first
        assert '<article class="card prose" lang="fr">' in first
        assert "Cette page est en anglais" not in first
        assert "Cette page est en anglais" in (await visitor.get("/fr/docs/operator/backup")).text


def test_a_page_that_is_not_there_is_refused() -> None:
    for part, name in [("developer", "none"), ("none", "glossary"), ("..", "pages")]:
        with pytest.raises(NotFound):
            manual.read_page(part, name)


def test_the_contents_show_no_mark_of_markdown() -> None:
    marked = [one.about for one in manual.contents() if re.search(r"[`*]|\]\(", one.about)]
    assert not marked, marked[:3]
    assert all(len(one.about) > 20 for one in manual.contents())


async def test_the_manual_is_served_in_both_languages() -> None:
    async with Browser() as visitor:
        for language, word in (("en", "Reference"), ("fr", "Référence")):
            shown = await visitor.get(f"/{language}/docs")
            assert shown.status_code == 200
            assert word in shown.text
            for part, name in PAGES:
                shown = await visitor.get(f"/{language}/docs/{part}/{name}")
                assert shown.status_code == 200
                assert str(escape(manual.read_page(part, name, language).title)) in shown.text
        assert (await visitor.get("/en/docs/developer/none")).status_code == 404
