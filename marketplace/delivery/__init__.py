"""What partners receive: downloads, links, Delta Sharing, the density API, what goes out to their programs."""
