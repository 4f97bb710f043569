"""Every call of the API: unknown parameters are refused with a sentence, and what was read has a tag that is heard again."""

import uuid

import httpx

from marketplace.people.identity.key_actions import create_key
from tests.people.builders import make_partner
from tests.sales.builders.shop import open_shop
from tests.support.sites import the_site


async def test_misspelt_filters_are_refused_and_known_answers_are_not_sent_again() -> None:
    await open_shop()
    key = await create_key(await make_partner(), "robot", key_id=uuid.uuid4(), session="a session's secret")
    transport = httpx.ASGITransport(the_site())
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example", headers=headers) as program:
        for path, named in (
            ("/api/v1/orders?colour=red", "colour here; there are: after, dataset, page, since, state."),
            ("/api/v1/me?x", "x here; there are: –."),
            ("/api/v1/datasets?area=Lyon&colour=red", "colour here; there are: area, below, "),
        ):
            refused = await program.get(path)
            assert refused.status_code == 422
            assert named in refused.json()["detail"]
            french = await program.get(path, headers={"accept-language": "fr"})
            assert french.json()["detail"].startswith("Il n’y a pas ici de paramètre")
        density = await program.post("/api/camara/population-density-data/v0/retrieve?x=1", json={})
        assert density.json()["code"] == "INVALID_ARGUMENT"
        assert (await program.options("/api/v1/orders?x=1")).status_code == 204
        for path in ("/api/v1/orders?page=1", "/api/v1/datasets?area=Lyon&area=Paris&sort=cheap&below=900&search=x"):
            first = await program.get(path)
            assert first.status_code == 200, first.text
            tag = first.headers["etag"]
            again = await program.get(path, headers={"if-none-match": f'"other", {tag}'})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
            assert "content-length" not in again.headers
            assert (await program.get(path, headers={"if-none-match": '"other"'})).content == first.content
            assert (await program.head(path)).headers["etag"] == tag
        before = (await program.get("/api/v1/datasets/lyon")).headers["etag"]
        large = await program.get("/api/v1/datasets/lyon", headers={"accept-encoding": "gzip"})
        assert large.headers["content-encoding"] == "gzip"
        after = (await program.get("/api/v1/datasets/lyon")).headers["etag"]
        assert large.headers["etag"] in {before, after}, "its price moves as time passes, perhaps between two of them"
        async with program.stream("GET", "/api/v1/datasets/lyon", headers={"accept-encoding": "gzip"}) as answer:
            sent = b"".join([part async for part in answer.aiter_raw()])
        assert (sent[:2], sent[4:8]) == (b"\x1f\x8b", bytes(4)), "the second it was compressed in would be in its tag"
        assert large.json() == (await program.get("/api/v1/datasets/lyon")).json()
        whole = await program.get("/api/v1/events.atom")
        assert whole.status_code == 200
        assert "etag" not in whole.headers
