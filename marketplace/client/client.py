"""The client that programs use: every call of the API, and whole files, checked against their seal."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Final

from marketplace.client.asking import Refused
from marketplace.client.operations import Operations

CHUNK_BYTES: Final = 1 << 20
PARQUET: Final = "parquet"


class BrokenFileError(Exception):
    """A file is not the one that was sealed; nothing of it was kept."""


class Client(Operations):
    """A site as a partner's program sees it: `Client("https://…", key).list_datasets()`."""

    def get(self, entitlement: str, to: Path, *, file_format: str = PARQUET) -> Path:
        """Download what an entitlement opens into a file, or into a folder under its own name; return the file.

        A Parquet file is compared with its seal, and what was cut short is never kept. Raises `Refused`, `BrokenFileError`.
        """
        sealed = self.show_entitlement(entitlement)
        with self.open("GET", f"/api/v1/entitlements/{entitlement}/download", query={"format": file_format}) as answer:
            name = answer.headers.get_filename() or f"{entitlement}.{file_format}"
            target = to / Path(name).name if to.is_dir() else to
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".partage-") as folder:
                with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                    shutil.copyfileobj(answer, file, CHUNK_BYTES)
                came = Path(file.name)
                length = int(answer.headers.get("content-length") or came.stat().st_size)
                seal = sealed["cells_sha256"] if file_format == PARQUET else ""
                if came.stat().st_size != length or (seal and _digest(came) != seal):
                    raise BrokenFileError(f"{target.name} is not the file that was sealed, and was not kept; ask again")
                came.replace(target)
        return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["BrokenFileError", "Client", "Refused"]
