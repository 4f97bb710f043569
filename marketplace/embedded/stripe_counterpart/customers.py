"""Customers and their tax numbers."""

from marketplace.embedded.stripe_counterpart.changes import merged_metadata
from marketplace.embedded.stripe_counterpart.contract import Json
from marketplace.embedded.stripe_counterpart.events import emit
from marketplace.embedded.stripe_counterpart.world import World

CHANGEABLE = ("address", "description", "email", "name", "phone", "preferred_locales", "tax_exempt")
_EMPTY_ADDRESS: Json = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def create_customer(world: World, params: Json) -> Json:
    """Create a customer, with their tax numbers if any."""
    customer = world.add(
        "customer",
        balance=0,
        delinquent=False,
        invoice_prefix=world.new_token(8).upper(),
        metadata=merged_metadata({}, params.get("metadata", {})),
        preferred_locales=[],
        tax_exempt="none",
    )
    customer.update({name: params[name] or None for name in CHANGEABLE if name in params})
    if customer["address"]:
        customer["address"] = {**_EMPTY_ADDRESS, **customer["address"]}
    emit(world, "customer.created", customer)
    for number in params.get("tax_id_data", []):
        add_tax_id(world, customer["id"], number)
    return customer


def delete_customer(world: World, customer: Json) -> Json:
    """Delete a customer for good."""
    emit(world, "customer.deleted", customer)
    world.remove(customer["id"])
    return {"id": customer["id"], "object": "customer", "deleted": True}


def add_tax_id(world: World, customer_id: str, params: Json) -> Json:
    """Add a tax number to a customer; Stripe verifies it later, this counterpart never does."""
    world.get("customer", customer_id, "customer")
    tax_id = world.add(
        "tax_id",
        country=params["value"][:2].upper(),
        customer=customer_id,
        owner={"type": "customer", "customer": customer_id},
        type=params["type"],
        value=params["value"],
        verification={"status": "pending", "verified_address": None, "verified_name": None},
    )
    emit(world, "customer.tax_id.created", tax_id)
    return tax_id
