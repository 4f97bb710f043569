"""Downloads for entitled partners."""
