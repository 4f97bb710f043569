"""Population density for machines, by CAMARA's official document: its paths, names, answers and refusals.

`apiRoot` is `/api/camara`. A key of the API with the scope *downloads* is the access token.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from litestar import Request, Response, post
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody

from marketplace.core.errors import Invalid, NotAllowed
from marketplace.delivery.population_density import actions, callbacks, rules
from marketplace.delivery.population_density.rules import Accepted, Density, DensityError, DensityRequest
from marketplace.people.identity.guards import ActorRequest, expect
from marketplace.people.identity.guards import partner as is_partner

CORRELATOR: Final = "x-correlator"
WELL_FORMED: Final = r"^[a-zA-Z0-9_:;.\/<>{}-]{0,256}$"
Correlator = Annotated[str | None, HeaderParameter(name=CORRELATOR, max_length=256, pattern=WELL_FORMED)]
ERROR: Final[dict[str, Any]] = {
    "description": "Refused, with the code of CAMARA's document.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["status", "code", "message"],
                "properties": {
                    "status": {"type": "integer"},
                    "code": {"type": "string", "maxLength": 96},
                    "message": {"type": "string", "maxLength": 512},
                },
            }
        }
    },
}


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer a refusal in CAMARA's form."""
    if isinstance(error, NotAuthorizedException):
        error = DensityError("UNAUTHENTICATED")
    elif isinstance(error, NotAllowed):
        error = DensityError("PERMISSION_DENIED")
    elif not isinstance(error, DensityError):
        error = DensityError(rules.INVALID)
    body = {"status": error.status, "code": error.code, "message": error.message}
    return Response(body, status_code=error.status, headers=_echoed(request))


def _echoed(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return the caller's correlation id, to send it back."""
    sent = request.headers.get(CORRELATOR, "")
    return {CORRELATOR: sent} if sent and re.match(WELL_FORMED, sent) else {}


@post(
    "/api/camara/population-density-data/v0/retrieve",
    guards=[is_partner],
    opt=expect("partner", scope="downloads") | {"refused": ERROR},
    tags=["population density"],
    status_code=200,
    responses={
        200: ResponseSpec(Density, description="People per square kilometre, hour by hour and cell by cell."),
        202: ResponseSpec(Accepted, description="The answer will be posted to the sink."),
    },
    exception_handlers={DensityError: refused, Invalid: refused, NotAllowed: refused, HTTPException: refused},
)
async def retrieve(
    request: ActorRequest, data: JSONBody[DensityRequest], correlator: Correlator = None
) -> Response[Any]:
    """Retrieve people per square kilometre, by hour and geohash, of what the partner bought (CAMARA Population Density Data)."""
    del correlator
    assert request.user.partner
    asked = await actions.check(request.user.partner, data)
    if data.sink is None:
        return Response(await actions.answer(request.user.partner, asked), headers=_echoed(request))
    operation = await callbacks.promise_answer(request.user.partner, data)
    return Response(Accepted(operation), status_code=202, headers=_echoed(request))


ROUTES = [retrieve]
