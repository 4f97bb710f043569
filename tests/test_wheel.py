"""The package installs: its wheel, in an empty environment away from the checkout, holds all that the product needs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from pricing.auctions.transcript import Transcript, award_of, commit_bid, leaves, to_json
from pricing.merkle import merkle_root
from tests.support.production import OPERATORS_OWN
from tests.support.server import SERVING, as_serving
from tests.support.source import PRODUCT, ROOT, tracked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marketplace.embedded.postgres import EmbeddedPostgres

pytestmark = pytest.mark.deep


@dataclass(frozen=True)
class Installed:
    """An environment with our wheel, and a working folder elsewhere."""

    wheel: Path
    environment: Path
    folder: Path

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.environment / "bin" / "python"

    @property
    def script(self) -> Path:
        """Return the console script that the wheel brings."""
        return self.environment / "bin" / "marketplace"

    def run(self, *command: str | Path, **settings: str) -> str:
        """Run a command there, with no settings but these; return what it prints."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables(settings), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def variables(self, settings: dict[str, str]) -> dict[str, str]:
        """Return the environment variables of a command: nothing that leads back to the checkout."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **settings}


def files_of_the_packages() -> set[str]:
    """Return the files that the wheel must hold, as paths from the root of the repository."""
    paths = (Path(name) for name in tracked("*"))
    return {str(path) for path in paths if path.parts[0] in PRODUCT and "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel from a copy of what is tracked, and install it beside nothing but other people's packages."""
    home = tmp_path_factory.mktemp("wheel")
    source, environment, folder = home / "source", home / "environment", home / "folder"
    folder.mkdir()
    for path in ("pyproject.toml", "README.md", "LICENSE", *files_of_the_packages()):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, source / path)
    _pip("wheel", "--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", str(home), str(source))
    (wheel,) = home.glob("partage-*.whl")
    venv.create(environment, with_pip=False)
    _pip("--python", str(environment / "bin" / "python"), "install", "--no-index", "--no-deps", str(wheel))
    (ours,) = environment.glob("lib/python*/site-packages")
    theirs = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (ours / "other_packages.pth").write_text("\n".join(theirs))  # a .pth file found there is not followed: no checkout
    return Installed(wheel, environment, folder)


def _pip(*arguments: str) -> None:
    """Run pip, which must need nothing from a network."""
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-input", "--no-cache-dir"]
    done = subprocess.run([*pip, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"pip {arguments}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(installed: Installed) -> None:
    """Templates, translations, SQL, style sheets, scripts, `py.typed`; no tests."""
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == files_of_the_packages()


def test_what_is_imported_is_what_was_installed_and_state_stays_in_the_working_folder(installed: Installed) -> None:
    asks = (
        "import marketplace.app, migrations, pricing; from marketplace.settings import settings;"
        "print(marketplace.__file__, migrations.__file__, pricing.__file__, settings().state, sep='\\n')"
    )
    *modules, state = installed.run(installed.python, "-c", asks).splitlines()
    assert all(Path(module).is_relative_to(installed.environment) for module in modules), modules
    assert Path(state) == installed.folder / ".data"


def test_the_console_script_lists_the_commands(installed: Installed) -> None:
    from marketplace.__main__ import parser  # noqa: PLC0415

    assert installed.run(installed.script, "--help").split() == parser().format_help().split()


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
        assert style.text == (ROOT / "marketplace/web/static/style.css").read_text(encoding="utf-8")
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
