"""The statements of the catalogue for programs."""

from __future__ import annotations

from typing import Final

from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)
