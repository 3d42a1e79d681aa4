"""Settings, logging and traces: what the environment says. Imports nothing else of this project."""
