"""Events in, releases out."""
