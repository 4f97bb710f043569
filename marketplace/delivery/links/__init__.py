"""Personal links: an address that opens one entitlement's files without a key, for programs that can send none."""
