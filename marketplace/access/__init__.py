"""Coming in and having access: signing in, one's profile and sessions, a company's people and keys; pages alone."""
