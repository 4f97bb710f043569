"""The manual is true: its tables say what the code does, its links lead somewhere, and every page is served."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from marketplace.__main__ import parser
from marketplace.core.errors import NotFound
from marketplace.core.settings import Settings
from marketplace.site.answers import MACHINE_PATHS
from marketplace.site.app import routes
from marketplace.site.docs import manual
from marketplace.site.jobs.timetable import jobs
from tests.people.builders import Browser

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
    assert files == set(PAGES)


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
                assert manual.read_page(part, name).title in shown.text
        assert (await visitor.get("/en/docs/developer/none")).status_code == 404
