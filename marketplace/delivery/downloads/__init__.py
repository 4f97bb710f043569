"""Downloads for entitled partners, trials of older releases, copies to be deleted after a recall."""
