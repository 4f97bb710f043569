"""Simulated people instead of real ones: what a release would publish of as many as the operator's table has; pure."""
