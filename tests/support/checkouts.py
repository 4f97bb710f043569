"""Small repositories of git: what is committed in a folder, as a checkout of Partage is."""

import os
import subprocess
from pathlib import Path
from typing import Final

NOBODY: Final = {
    **{f"GIT_{one}_NAME": "Nobody" for one in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{one}_EMAIL": "nobody@example.org" for one in ("AUTHOR", "COMMITTER")},
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, without the settings of this machine; return what it prints."""
    isolated = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    variables = os.environ | isolated | NOBODY
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=variables, capture_output=True, text=True, check=True
    ).stdout


def commit_all(folder: Path) -> None:
    """Commit everything in a folder, which becomes a repository where it is none."""
    git(folder, "init")
    git(folder, "add", "--all")
    git(folder, "commit", "--message", "Say what is there")
