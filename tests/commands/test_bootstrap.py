"""`python3 marketplace` continues in its environment, in the folder where it was called."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import marketplace

MAIN = """
import os, sys
from pathlib import Path
sys.path[0] = str(Path(__file__).resolve().parents[1])
from marketplace._bootstrap import ensure
ensure("marketplace")
print(os.getcwd(), sys.prefix, *sys.argv[1:], sep="|")
"""


@pytest.mark.parametrize("linked", [False, True])
def test_what_a_command_names_is_in_the_folder_where_it_was_called(tmp_path: Path, *, linked: bool) -> None:
    checkout, there, venv = tmp_path / "checkout", tmp_path / "there", tmp_path / "venv"
    (checkout / "marketplace").mkdir(parents=True)
    there.mkdir()
    shutil.copy(Path(marketplace.__file__).with_name("_bootstrap.py"), checkout / "marketplace")
    (checkout / "marketplace" / "__main__.py").write_text(MAIN)
    (checkout / "requirements.lock").write_text("")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (venv / "installed-requirements.lock").write_text(hashlib.sha256(sys.version.encode()).hexdigest())
    if linked:
        (tmp_path / "link").symlink_to(venv)
        venv = tmp_path / "link"
    base = sys._base_executable  # type: ignore[attr-defined]
    ran = subprocess.run(
        [base, checkout / "marketplace", "ingest", "lines.csv"],
        cwd=there,
        env={"PATH": "/usr/bin:/bin", "PARTAGE_VENV": str(venv)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.strip() == f"{there}|{venv}|ingest|lines.csv", ran.stderr
