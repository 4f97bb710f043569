"""The form that is one button."""

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
"""What a handler is sent by a button."""
