"""The steward's shop: purposes, definitions, terms, offers, dry runs, publishing and calling back."""
