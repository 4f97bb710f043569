"""A release made and its wheel installed, once for the tests that use them."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import release
from tests.support.checkouts import commit_all
from tests.support.source import PRODUCT, ROOT, tracked


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
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a release of what is tracked, committed in a repository of its own; return the folder with its files."""
    home = tmp_path_factory.mktemp("release")
    source = home / "source"
    for path in ("pyproject.toml", "README.md", "LICENSE", "requirements.lock", *files_of_the_packages()):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, source / path)
    _release_its_changelog(source / release.CHANGELOG)
    commit_all(source)
    made = release.make(source, home / "made")
    assert sorted(made) == sorted((home / "made").iterdir())
    return home / "made"


def _release_its_changelog(path: Path) -> None:
    """Leave out what is not released yet, as if this were the commit of the release."""
    head, unreleased, rest = path.read_text(encoding="utf-8").partition("## Unreleased\n")
    if unreleased:
        path.write_text(head + rest[rest.index("## ") :], encoding="utf-8")


@pytest.fixture(scope="module")
def installed(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel of the release beside nothing but other people's packages."""
    home = tmp_path_factory.mktemp("wheel")
    environment, folder = home / "environment", home / "folder"
    folder.mkdir()
    wheel = released / release.WHEEL
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
