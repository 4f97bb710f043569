"""A guided tour of the demo: one page per kind of person, with its stops in order; closed outside the demo."""
