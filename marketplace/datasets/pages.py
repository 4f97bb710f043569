"""The steward's pages: what is counted, under which promise, what is left of each budget, and every release."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.datasets import queries
from marketplace.identity.actors import staff
from marketplace.web.pages import page

Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
steward = staff("steward", "auditor")


@get("/steward/datasets", guards=[steward])
async def list_datasets(number: Page = 1) -> Template:
    """Show every dataset with what is left of its budget."""
    return page("datasets/datasets.html", datasets=await queries.list_datasets(number))


@get("/steward/datasets/{code:str}", guards=[steward])
async def show_dataset(code: FromPath[str], number: Page = 1) -> Template:
    """Show one dataset's promise and its releases in every state."""
    return page(
        "datasets/dataset.html",
        dataset=await queries.get_dataset(code),
        zones=len(await queries.key_zones(code)),
        releases=await queries.list_releases(code, number),
    )


ROUTES = [list_datasets, show_dataset]
