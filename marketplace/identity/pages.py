"""What pages of all slices share: the request of the person who asks, and forms."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import QueryParameter
from msgspec import Struct

from marketplace.identity.actors import Actor

Asked = Request[Actor | None, Any, Any]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
Next = Annotated[str, QueryParameter(name="next")]
FORM = RequestEncodingType.URL_ENCODED


class Token(Struct):
    """A form that is one button."""

    form_id: uuid.UUID
