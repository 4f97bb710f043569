"""The rights of people: a copy of all that is held about them, erasure, and how long what is kept."""
