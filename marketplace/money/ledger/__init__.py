"""The books: chart of accounts, journal entries of (debit, credit, amount) postings, balances."""
