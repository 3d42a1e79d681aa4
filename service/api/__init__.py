"""The HTTP API: a module for each resource, and what they have in common."""
