"""The desk of finance: everything that waits, by age × amount, with the person who sees to it; and one search over it all."""
