"""Customers and their tax numbers."""

from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json
from marketplace.demo.stripe_counterpart.updates import merge_metadata

UPDATABLE = ("address", "description", "email", "name", "phone", "preferred_locales", "tax_exempt")
_EMPTY_ADDRESS: Json = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def create_customer(state: StripeState, params: Json) -> Json:
    """Create a customer, with their tax numbers if any."""
    customer = state.add(
        "customer",
        balance=0,
        delinquent=False,
        invoice_prefix=state.new_token(8).upper(),
        metadata=merge_metadata({}, params.get("metadata", {})),
        preferred_locales=[],
        tax_exempt="none",
    )
    customer.update({name: params[name] or None for name in UPDATABLE if name in params})
    if customer["address"]:
        customer["address"] = {**_EMPTY_ADDRESS, **customer["address"]}
    emit(state, "customer.created", customer)
    for number in params.get("tax_id_data", []):
        add_tax_id(state, customer["id"], number)
    return customer


def delete_customer(state: StripeState, customer: Json) -> Json:
    """Delete a customer."""
    emit(state, "customer.deleted", customer)
    state.remove(customer["id"])
    return {"id": customer["id"], "object": "customer", "deleted": True}


def add_tax_id(state: StripeState, customer_id: str, params: Json) -> Json:
    """Add a tax number to a customer; Stripe verifies it later, this counterpart never does."""
    state.get("customer", customer_id, "customer")
    tax_id = state.add(
        "tax_id",
        country=params["value"][:2].upper(),
        customer=customer_id,
        owner={"type": "customer", "customer": customer_id},
        type=params["type"],
        value=params["value"],
        verification={"status": "pending", "verified_address": None, "verified_name": None},
    )
    emit(state, "customer.tax_id.created", tax_id)
    return tax_id
