"""The audit trail: who did what to what, when and why, kept for good, linked by hashes so that no line can go unseen."""
