"""The operator's own zones: tables of them, and the steward's pages."""
