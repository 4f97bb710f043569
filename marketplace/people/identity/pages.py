"""What the pages of all packages share: the type of an actor's request, and forms."""

from __future__ import annotations

from typing import Annotated

from litestar.enums import RequestEncodingType
from litestar.params import QueryParameter

Next = Annotated[str, QueryParameter(name="next")]
FORM = RequestEncodingType.URL_ENCODED
