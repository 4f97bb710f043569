"""French for the texts of a kind that a test drops into a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.words import french_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest


def translate(registries: pytest.MonkeyPatch, french: Mapping[str, str]) -> None:
    """Add translations, each English text with its French, to those of the catalogues."""
    for text, translated in french.items():
        registries.setitem(french_texts(), text, translated)
