"""The API as a page: every call of the document is on it, with what it needs and a line to run."""

from __future__ import annotations

import html

import httpx

from marketplace.app import create_app
from tests.marketplace.identity.site import text_of


async def test_every_call_of_the_document_is_on_the_page() -> None:
    app = create_app(manages_pool=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver.example") as visitor:
        document = (await visitor.get("/schema/openapi.json")).json()
        page = await visitor.get("/en/docs/api")
        assert page.status_code == 200
        text = html.unescape(text_of(page))
        calls = [(method.upper(), path) for path, of in document["paths"].items() for method in of]
        assert len(calls) > 20
        for method, path in calls:
            assert f"{method} {path}" in text
        assert 'curl -X POST -H "Authorization: Bearer $KEY" -H "Idempotency-Key: $(uuidgen)"' in text
        assert """-d '{"quote": "uuid"}' """ in text
        assert "<script" not in page.text.split("<main", 1)[1]
        assert "Sans clé" in (await visitor.get("/fr/docs/api")).text
