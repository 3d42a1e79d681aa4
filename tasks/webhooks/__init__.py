"""Sends webhooks when imports end: signed, and never into a private network."""
