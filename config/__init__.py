"""Settings and logging: what the environment says. Imports nothing else of this project."""
