"""Delta Sharing: what a partner bought as tables that the protocol's own clients read."""
