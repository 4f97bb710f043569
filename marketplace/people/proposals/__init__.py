"""Decisions of two people: one proposes, another approves exactly that document or refuses it, and it is kept for good."""
