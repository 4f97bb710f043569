"""Spending limits: who of a company, or which key, may spend how much on what until when."""
