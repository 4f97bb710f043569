"""Who signs in, what they may do and what reaches them."""
