"""`python3 tests release` says in one sentence what is missing, and makes nothing then; `tests/test_wheel.py` makes a whole release."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from marketplace.core.version import VERSION
from tests import release
from tests.support.checkouts import commit_all, git
from tests.support.source import ROOT

GOOD = f"# Changelog\n\n## {VERSION} (2026-12-01)\n\n- It sells.\n"


def checkout(folder: Path, changelog: str = GOOD) -> Path:
    """Commit a changelog in a new folder."""
    path = folder / release.CHANGELOG
    path.parent.mkdir(parents=True)
    path.write_text(changelog, encoding="utf-8")
    commit_all(folder)
    return folder


def refuses(root: Path, folder: Path) -> str:
    """Return the sentence with which a release is refused; nothing was made."""
    before = sorted(folder.glob("*"))
    with pytest.raises(release.NotReadyError) as refused:
        release.make(root, folder)
    assert sorted(folder.glob("*")) == before
    return str(refused.value)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    root, folder = checkout(tmp_path / "checkout"), tmp_path / "made"
    (root / "new.py").touch()
    assert refuses(root, folder) == "new.py is not as it was committed: commit it, or undo the change."
    (root / "new.py").unlink()
    (root / release.CHANGELOG).write_text("", encoding="utf-8")
    assert refuses(root, folder).startswith(f"{release.CHANGELOG} is not as it was committed")


@pytest.mark.parametrize(
    ("changelog", "sentence"),
    [
        (GOOD.replace(f"{VERSION} (2026-12-01)", "Unreleased"), "The changelog begins with “Unreleased”, where"),
        (GOOD.replace(VERSION, f"{VERSION}.post1"), f"The changelog begins with “{VERSION}.post1 (2026-12-01)”, where"),
        (GOOD.replace(" (2026-12-01)", ""), f"The changelog begins with “{VERSION}”, where"),
        ("# Changelog\n", "The changelog begins with “”, where"),
        (GOOD.replace("- It sells.\n", "## 0.9 (2026-11-01)\n\n- It ran.\n"), "The changelog says nothing of"),
    ],
)
def test_a_changelog_without_a_section_of_the_version_is_refused(tmp_path: Path, changelog: str, sentence: str) -> None:
    assert refuses(checkout(tmp_path / "checkout", changelog), tmp_path / "made").startswith(sentence)


def test_a_version_that_was_released_is_refused(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    git(root, "tag", "--annotate", "--message", "Released", release.TAG)
    (root / "new.py").touch()
    commit_all(root)
    assert refuses(root, tmp_path / "made").startswith(f"The tag {release.TAG} is at another commit: raise VERSION")


def test_a_folder_with_files_and_one_without_git_are_refused(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "partage-0.9.md").touch()
    assert refuses(checkout(tmp_path / "checkout"), full) == f"{full} is not an empty folder: name another one."
    (tmp_path / "bare").mkdir()
    assert re.fullmatch(
        r"`git status --porcelain` fails: fatal: not a git repository.*", refuses(tmp_path / "bare", tmp_path / "made")
    )


def test_the_notes_are_the_section_with_links_to_the_manual_as_words() -> None:
    linked = "- See [upgrade](../operator/upgrade) and [ODRL](https://www.w3.org/TR/odrl-model/).\n"
    older = "\n## 0.9 (2026-11-01)\n\n- It ran.\n"
    assert release.notes_of(f"{GOOD}{linked}{older}") == (
        f"# Partage {VERSION} (2026-12-01)\n\n- It sells.\n"
        "- See upgrade and [ODRL](https://www.w3.org/TR/odrl-model/).\n"
    )


def test_the_command_line_ends_with_the_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments, sentence in (
        (["."], f"{tmp_path} is not an empty folder: name another one.\n"),
        ([], "Name the folder to make the release in: python3 tests release DIRECTORY.\n"),
    ):
        done = subprocess.run(
            [sys.executable, str(ROOT / "tests"), "release", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
