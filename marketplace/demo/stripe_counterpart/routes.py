"""The routes of the counterpart: the operation of a method and path."""

from marketplace.demo.stripe_counterpart.account_routes import ACCOUNT_OPERATIONS
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.operations import Operation
from marketplace.demo.stripe_counterpart.payment_routes import PAYMENT_OPERATIONS

OPERATIONS = PAYMENT_OPERATIONS + ACCOUNT_OPERATIONS


def find_operation(method: str, path: str) -> tuple[Operation, str]:
    """Return the operation of a method and path, with the id in the path; refuse an unknown one."""
    for operation in OPERATIONS:
        subject = operation.subject_in(path)
        if operation.method == method and subject is not None:
            return operation, subject
    raise ApiError(404, f"Unrecognized request URL ({method}: {path}).", executed=False)
