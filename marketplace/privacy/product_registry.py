"""The registry of products: a new product is a file in `products` and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.privacy.products import arrivals, flows, presence, stays

if TYPE_CHECKING:
    from marketplace.privacy.product import Product

PRODUCTS: Final[dict[str, Product]] = {
    product.code: product for product in (presence.PRODUCT, flows.PRODUCT, arrivals.PRODUCT, stays.PRODUCT)
}
"""Every product by its code, in the order a steward chooses from."""
DEFAULT_PRODUCT: Final = presence.PRODUCT.code
"""The product of a dataset that states none."""
