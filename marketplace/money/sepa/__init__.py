"""SEPA as pure text: accounts, files that ask a bank to pay, and what it answers."""
