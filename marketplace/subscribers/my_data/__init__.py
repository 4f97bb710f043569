"""My data: what a subscriber says about it, sees of it and takes out of it, and the same for the operator's own app."""
