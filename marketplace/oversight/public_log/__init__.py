"""The public log: facts in one order for good, as static tiles and signed heads that witnesses cosign; and its proofs."""
