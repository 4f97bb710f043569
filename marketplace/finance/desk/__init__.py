"""The desk of finance: everything that waits, by age × amount, with who sees to it; and one search over it all."""
