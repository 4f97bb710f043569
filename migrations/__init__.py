"""The schema's history: one Piccolo app, forward only; a test holds it equal to the packages' tables."""
