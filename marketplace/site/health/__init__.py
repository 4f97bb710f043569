"""Health: whether the site can serve, why not, and what mends it; for the load balancer, for people and for `doctor`."""
