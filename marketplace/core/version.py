"""The version of Partage, written only here: the wheel, commands, site, API document and bill of materials read it."""

from __future__ import annotations

from typing import Final

VERSION: Final = "1.0.0rc1"
"""In the form of PyPA's version specifiers: the build of the wheel reads this line without running it."""
