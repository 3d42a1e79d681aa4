"""What the service and the workers agree on."""
