"""The blocks of code in the manual, which are run."""

import re
from textwrap import dedent

from msgspec import Struct

from tests.support.source import text_of


class Block(Struct, frozen=True):
    """A block of code of a page: its language, its text, and the line that it begins on."""

    page: str
    language: str
    line: int
    text: str


def blocks_of(page: str) -> list[Block]:
    return [
        Block(page, match[1], text_of(page).count("\n", 0, match.start()) + 2, dedent(match[2]))
        for match in re.finditer(r"^ *```(\S*)\n(.*?)^ *```$", text_of(page), re.MULTILINE | re.DOTALL)
    ]
