"""Links that prove who follows them: their token is made from the site's secret when a letter is written, and never stored."""

from __future__ import annotations

import base64
import hashlib
import hmac

from marketplace.settings import settings


def link_token(use: str, subject: object) -> str:
    """Return the token of a link, 43 characters: for one use (a message kind's code) and one subject (its source's id).

    Compare with `hmac.compare_digest`. It is valid as long as the page that reads it says so. Source: RFC 2104 (HMAC).
    """
    made = hmac.new(settings().secret.encode(), f"link {use} {subject}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def mark_of(email: str) -> str:
    """Return what stands for an address in a link: without the site's secret it says nothing about the address."""
    return link_token("address", email)[:16].replace("~", "-")
