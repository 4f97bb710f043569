"""The version is written once, and every place that states one reads it there; deep tests look into the wheel."""

import re
import subprocess
import sys
import tomllib

import httpx
from packaging.version import Version
from setuptools.config.expand import read_attr

from marketplace.core.version import VERSION
from tests.release import CHANGELOG, HEADING
from tests.support.sites import the_site
from tests.support.source import ROOT, text_of, tracked

MAY_STATE_IT = ("marketplace/core/version.py", CHANGELOG)
LOCKS = ("requirements.lock", "tests/requirements.lock")
"""They state the versions of others."""


def test_the_version_is_written_in_one_place() -> None:
    assert str(Version(VERSION)) == VERSION
    stating = {path for path in tracked("*") if path not in LOCKS and VERSION.encode() in (ROOT / path).read_bytes()}
    assert stating == set(MAY_STATE_IT)


def test_the_wheel_is_built_with_it() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))
    assert "version" not in project["project"]
    attribute = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert read_attr(attribute, root_dir=ROOT) == VERSION


def test_the_changelog_has_it_as_its_latest_release() -> None:
    released = [title for title in re.findall(r"^## (.+)$", text_of(CHANGELOG), re.MULTILINE) if title != "Unreleased"]
    assert HEADING.fullmatch(released[0])


def test_the_command_line_prints_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "marketplace", "--version"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Partage {VERSION}\n", "")


async def test_the_site_and_its_api_state_it() -> None:
    transport = httpx.ASGITransport(the_site())
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as visitor:
        assert (await visitor.get("/healthz")).text == f"ok {VERSION}"
        assert (await visitor.get("/schema/openapi.json")).json()["info"]["version"] == VERSION
