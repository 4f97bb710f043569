"""The steward's shop: purposes and their notices, licence terms, offers, and what a published release is sold by."""
