"""The bill of materials that a release publishes: made from the lock by the command of the manual, nothing missing."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from tests.support.source import ROOT, text_of

if TYPE_CHECKING:
    from pathlib import Path


def test_the_bill_of_materials_names_all_that_the_lock_pins_with_its_hashes(tmp_path: Path) -> None:
    [command] = re.findall(
        r"^ *python3 (-m cyclonedx_py .*)$", text_of("marketplace/docs/developer/releasing.md"), re.MULTILINE
    )
    made = tmp_path / "partage.cdx.json"
    arguments = shlex.split(command.replace("partage.cdx.json", str(made)))
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bill = json.loads(made.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    pinned = dict(
        re.findall(r"^([a-z0-9][\w.-]*)(?:\[[\w,.-]+\])?==([^\s;]+)", text_of("requirements.lock"), re.MULTILINE)
    )
    listed = {canonicalize_name(one["name"]): one for one in bill["components"]}
    assert listed.keys() >= {canonicalize_name(name) for name in pinned}
    for name in pinned:
        hashes = [
            hash_
            for reference in listed[canonicalize_name(name)]["externalReferences"]
            for hash_ in reference.get("hashes", [])
        ]
        assert hashes, f"{name} has no hash"
