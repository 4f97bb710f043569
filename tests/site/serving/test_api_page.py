"""The API as a page: every call of the document is on it, with what it needs and a line to run."""

import asyncio
import html
import os
import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from marketplace.core.web.i18n import french
from marketplace.people.identity.key_actions import create_key
from marketplace.site.serving.api_pages import TITLES
from tests.people.builders import page_text
from tests.sales.builders.shop import make_buyer, open_shop
from tests.support.clients import serving_site
from tests.support.sites import the_site


async def test_every_call_of_the_document_is_on_the_page() -> None:
    app = the_site()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver.example") as visitor:
        document = (await visitor.get("/schema/openapi.json")).json()
        page = await visitor.get("/en/docs/api")
        assert page.status_code == 200
        text = html.unescape(page_text(page))
        calls = [(method.upper(), path) for path, of in document["paths"].items() for method in of]
        assert len(calls) > 20
        for method, path in calls:
            assert f"{method} {path}" in text
        assert 'curl -X POST -H "Authorization: Bearer $KEY" -H "Idempotency-Key: $(uuidgen)"' in text
        assert (
            """-d '{"quote": "7f0c1d8e-5b1a-4c55-9c3c-3b1d0a6f2e11", "terms": "standard-1", "pay_by": "page",""" in text
        )
        assert "<script" not in page.text.split("<main", 1)[1]
        in_french = html.unescape(page_text(await visitor.get("/fr/docs/api")))
        assert "Sans clé" in in_french
        assert TITLES.keys() == {tag for of in document["paths"].values() for one in of.values() for tag in one["tags"]}
        about = [operation["description"] for of in document["paths"].values() for operation in of.values()]
        for sentence in (" ".join(part.split()) for one in about for part in one.split("\n\n")):
            assert sentence in french(), f"what a call is for has French: {sentence}"
            assert " ".join(french()[sentence].replace("`", "").split()) in in_french


async def test_each_call_has_examples_that_its_schemas_admit_and_states_its_refusals() -> None:
    transport = httpx.ASGITransport(the_site())
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver.example") as program:
        document = (await program.get("/schema/openapi.json")).json()
    seen = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert {"400", "422", "429", "500", "503"} <= answers.keys(), path
            assert ("401" in answers) == bool(operation.get("security")), path
            assert "RateLimit" in answers["429"]["headers"]
            for part in (operation.get("requestBody", {}), *answers.values()):
                for media_type, content in part.get("content", {}).items():
                    if "json" in media_type and "geo" not in media_type:
                        whole = content["schema"] | {"components": document["components"]}
                        jsonschema.Draft202012Validator(whole).validate(content["example"])
                        seen += 1
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            assert not body or body["example"], f"{method} {path}"
    assert seen > 300


@pytest.mark.deep
async def test_the_lines_of_the_page_run_as_they_are(stripe: Any, tmp_path: Path) -> None:
    await open_shop()
    key = await create_key(await make_buyer(), "curl", key_id=uuid.uuid4(), session="a session's secret")
    ran = 0
    async with serving_site() as address:
        async with httpx.AsyncClient() as visitor:
            page = html.unescape((await visitor.get(f"{address}/en/docs/api")).text)
        for line in re.findall(r'aria-label="curl"><code>(.*?)</code>', page, re.DOTALL):
            if "$" not in line.replace("$KEY", "") and "/operator/" not in line and line.startswith("curl -H"):
                shell = ["sh", "-c", line.replace("curl", "curl --silent --write-out '%{http_code}' --output out", 1)]
                known = {"KEY": key or "", "PATH": os.environ["PATH"]}
                process = await asyncio.create_subprocess_exec(
                    *shell, cwd=tmp_path, env=known, stdout=asyncio.subprocess.PIPE
                )
                status = (await process.communicate())[0].decode()
                has_none = "/trial" in line or "/spending-limit" in line
                assert status == ("404" if has_none else "200"), line
                ran += 1
    assert ran >= 9
    assert stripe
