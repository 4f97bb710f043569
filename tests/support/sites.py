"""The site as tests ask it in their own process."""

import functools

from litestar import Litestar
from litestar.types import ASGIApp

from marketplace.site.app import application, with_middleware
from marketplace.site.health.checks import Latest


@functools.cache
def _routed() -> Litestar:
    return application(manages_pool=False)


def the_site() -> ASGIApp:
    """Return a site of the pool that is open, with limits and health of its own.

    Its routes, half a second to register, are those of every other test in this process: they know no database, person
    or setting. A test that adds to them calls `create_app`.
    """
    app = _routed()
    app.state.health = Latest()
    return with_middleware(app)
