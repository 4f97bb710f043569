"""The operator's own legal texts: Markdown files in LEGAL_TEXTS, shown in place of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markupsafe import Markup

from marketplace.core.settings import settings
from marketplace.subscribers.legal.rules import TEXTS

_RENDERER: Final = MarkdownIt("commonmark", {"html": False}).enable("table")


def find_own_text(name: str, language: str) -> Markup | None:
    """Return the operator's text as HTML, or None where it does not exist in this language.

    HTML in it is shown as text.
    """
    assert name in TEXTS
    if not settings().legal_texts:
        return None
    path = Path(settings().legal_texts) / f"{name}.{language}.md"
    return Markup(_RENDERER.render(path.read_text("utf-8"))) if path.is_file() else None  # noqa: S704 (rendered, without HTML)
