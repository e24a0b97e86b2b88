"""What runs: a service becomes a Launch. Pure."""
