"""Forms that consist of one button, and a button with a reason."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar.enums import RequestEncodingType
from litestar.params import Body
from msgspec import Struct


class ButtonForm(Struct):
    """A button; its form's id makes it count once."""

    form_id: uuid.UUID


Pressed = Annotated[ButtonForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
"""What a button sends to a handler."""


class ReasonForm(Struct):
    """A button, and why it is pressed."""

    reason: str
    form_id: uuid.UUID


Explained = Annotated[ReasonForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
"""What a handler is sent by a button with a reason."""
