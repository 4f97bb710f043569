"""The operator's own systems: consents that they collected, letters with activation codes, their keys and their API."""
