"""Mail: messages written to people's addresses, once each, through the operator's server."""
