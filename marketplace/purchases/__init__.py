"""Order, licence, entitlement."""
