"""Our accounts at banks: statements imported once, their lines, and what each line is."""
