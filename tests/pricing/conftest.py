"""What the tests of `pricing` share: the worked examples, read where they lie and never copied."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(os.environ.get("PARTAGE_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of worked examples and real data, which may be absent."""
    return SHARED


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], dict[str, Any]]:
    """Return a reader of one file of worked examples, by its name without `.json`."""

    def read(name: str) -> dict[str, Any]:
        path = SHARED / "vectors" / f"{name}.json"
        if not path.exists():
            pytest.skip(f"the worked examples are not here; PARTAGE_SHARED names the folder that holds vectors/{name}.json")
        return json.loads(path.read_text())

    return read
