"""French for the texts of a kind that a test drops into a registry."""

from collections.abc import Mapping

import pytest

from marketplace.core.words import french_texts


def translate(registries: pytest.MonkeyPatch, french: Mapping[str, str]) -> None:
    """Add translations, each English text with its French, to those of the catalogues."""
    for text, translated in french.items():
        registries.setitem(french_texts(), text, translated)
