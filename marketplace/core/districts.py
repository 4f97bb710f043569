"""The districts, lowest floor first: each imports, refers to and reads only its own packages and earlier districts."""

from __future__ import annotations

from typing import Final

DISTRICTS: Final = (
    "client",
    "core",
    "privacy",
    "people",
    "consent",
    "money",
    "datasets",
    "catalogue",
    "sales",
    "delivery",
    "subscribers",
    "finance",
    "oversight",
    "site",
    "demo",
    "commands",
)
"""Folders of the marketplace; `pricing` lies below them all, `migrations` below `site`."""
