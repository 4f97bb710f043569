"""The ledger, payments through Stripe, credit, SEPA files and VAT."""
