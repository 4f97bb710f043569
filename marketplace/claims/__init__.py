"""Claims: a partner says within thirty days what is wrong with a purchase; its shares wait until two people decide."""
