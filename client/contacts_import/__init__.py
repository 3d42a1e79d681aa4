"""A command that sends a file of contacts and tells what became of it.

It knows nothing of the service but its HTTP API.
"""
