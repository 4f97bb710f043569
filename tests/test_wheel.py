"""The package installs: the wheel that a release publishes, in an empty environment away from the checkout, holds all that the product needs."""

import contextlib
import hashlib
import json
import re
import subprocess
import time
import zipfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from packaging.utils import canonicalize_name

from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.version import VERSION
from pricing.auctions.transcript import Transcript, award_of, commit_bid, leaves, to_json
from pricing.merkle import merkle_root
from tests import release
from tests.support.checkouts import git
from tests.support.production import OPERATORS_OWN
from tests.support.server import SERVING, as_serving
from tests.support.source import ROOT, text_of
from tests.support.wheel import Installed, files_of_the_packages

pytestmark = pytest.mark.deep


def test_the_release_is_a_wheel_with_notes_a_bill_of_materials_and_sums(released: Path) -> None:
    published = (release.WHEEL, release.NOTES, release.BILL)
    sums = "".join(f"{hashlib.sha256((released / name).read_bytes()).hexdigest()}  {name}\n" for name in published)
    assert (released / release.SUMS).read_text() == sums
    assert (released / release.NOTES).read_text().startswith(f"# Partage {VERSION} (")
    with zipfile.ZipFile(released / release.WHEEL) as wheel:
        assert f"\nVersion: {VERSION}\n" in wheel.read(f"partage-{VERSION}.dist-info/METADATA").decode()


def test_the_bill_of_materials_names_all_that_the_lock_pins_with_its_hashes(released: Path) -> None:
    bill = json.loads((released / release.BILL).read_text())
    assert bill["bomFormat"] == "CycloneDX"
    described = bill["metadata"]["component"]
    assert (described["name"], described["version"]) == ("partage", VERSION)
    lock = text_of("requirements.lock")
    pinned = dict(re.findall(r"^([a-z0-9][\w.-]*)(?:\[[\w,.-]+\])?==([^\s;]+)", lock, re.MULTILINE))
    listed = {canonicalize_name(one["name"]): one for one in bill["components"]}
    assert listed.keys() >= {canonicalize_name(name) for name in pinned}
    for name in pinned:
        references = listed[canonicalize_name(name)]["externalReferences"]
        assert [hash_ for reference in references for hash_ in reference.get("hashes", [])], f"{name} has no hash"


def test_no_file_of_the_release_states_when_it_was_made(released: Path) -> None:
    """So the same commit gives the same bytes: a wheel's files are as old as the commit."""
    with zipfile.ZipFile(released / release.WHEEL) as wheel:
        ages = {one.date_time for one in wheel.infolist()}
    instant = int(git(released.parent / "source", "log", "-1", "--format=%ct"))
    assert ages == {time.gmtime(instant - instant % 2)[:6]}
    bill = json.loads((released / release.BILL).read_text())
    assert "serialNumber" not in bill
    assert "timestamp" not in bill["metadata"]


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(installed: Installed) -> None:
    """Templates, translations, SQL, style sheets, scripts, `py.typed`; no tests."""
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == files_of_the_packages()


def test_what_is_imported_is_what_was_installed_and_state_stays_in_the_working_folder(installed: Installed) -> None:
    asks = (
        "import marketplace.site.app, migrations, pricing; from marketplace.core.settings import settings;"
        "print(marketplace.__file__, migrations.__file__, pricing.__file__, settings().state, sep='\\n')"
    )
    *modules, state = installed.run(installed.python, "-c", asks).splitlines()
    assert all(Path(module).is_relative_to(installed.environment) for module in modules), modules
    assert Path(state) == installed.folder / ".data"


def test_the_console_script_lists_the_commands(installed: Installed) -> None:
    from marketplace.__main__ import parser  # noqa: PLC0415

    assert installed.run(installed.script, "--help").split() == parser().format_help().split()


def test_what_is_installed_states_the_version(installed: Installed) -> None:
    assert installed.run(installed.script, "--version") == f"Partage {VERSION}\n"
    asks = "from importlib.metadata import version; print(version('partage'))"
    assert installed.run(installed.python, "-c", asks) == f"{VERSION}\n"


def test_a_transcript_is_replayed(installed: Installed) -> None:
    terms = {"currency": "EUR", "reserve_minor": 100}
    amounts = (700, 1_000, 800)
    reveals = [
        {"bidder": f"partner-{at}", "amount_minor": amount, "nonce": bytes([at] * 32).hex()}
        for at, amount in enumerate(amounts)
    ]
    entries = [commit_bid("auc-1", f"partner-{at}", amount, bytes([at] * 32)) for at, amount in enumerate(amounts)]
    root = merkle_root(leaves("auc-1", "second_price", terms, entries))
    award = award_of("second_price", terms, reveals)
    transcript = Transcript("auc-1", "second_price", terms, tuple(entries), tuple(reveals), root, award)
    (installed.folder / "auction.json").write_text(to_json(transcript), encoding="utf-8")
    printed = installed.run(installed.python, "-m", "pricing", "replay", "auction.json", "--root", root.hex())
    assert "partner-1: won, 1 for 800" in printed
    assert printed.endswith("equal\n")


def test_pages_are_served_in_both_languages_with_their_style_sheet(
    installed: Installed, postgres: EmbeddedPostgres
) -> None:
    """From an empty database, which the installed command migrates and finds in order."""
    postgres.run_sql("CREATE DATABASE wheel OWNER partage")
    settings = {**OPERATORS_OWN, "DATABASE_URL": postgres.url("wheel")}
    installed.run(installed.script, "migrate", **settings, PARTAGE_SERVING_ROLE=SERVING)
    assert installed.run(installed.script, "check", **settings).endswith(" 0 offenders.\n")
    with (
        _serving(installed, settings | {"DATABASE_URL": as_serving(settings["DATABASE_URL"])}) as address,
        httpx.Client(base_url=address) as visitor,
    ):
        pages = {language: visitor.get(f"/{language}/sign-in") for language in ("fr", "en")}
        assert all(page.status_code == HTTPStatus.OK for page in pages.values()), pages
        assert "Sign in" in pages["en"].text
        assert "Se connecter" in pages["fr"].text
        sheet = re.search(r'<link rel="stylesheet" href="([^"]+)"', pages["fr"].text)
        assert sheet
        style = visitor.get(sheet[1])
        assert style.headers["content-type"].startswith("text/css")
        assert style.text == (ROOT / "marketplace/core/web/static/style.css").read_text(encoding="utf-8")
    postgres.run_sql("DROP DATABASE wheel")
    assert not list(installed.environment.rglob(".data"))


@contextlib.contextmanager
def _serving(installed: Installed, settings: dict[str, str]) -> Iterator[str]:
    """Run `marketplace serve` on a free port until the block ends; give the address that it prints."""
    server = subprocess.Popen(
        [installed.script, "serve"],
        cwd=installed.folder,
        env=installed.variables({**settings, "PORT": "0"}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    with server.stdout:
        printed = ""
        while not (address := re.search(r"listens on (http://[^\s,]+)", printed)):
            line = server.stdout.readline()
            assert line, f"`serve` ended: {printed}"
            printed += line
        try:
            yield address[1]
        finally:
            server.terminate()
            server.wait()
