"""Orders: licences, entitlements, invoices, refunds, disputes; what partners claim is wrong with them."""
