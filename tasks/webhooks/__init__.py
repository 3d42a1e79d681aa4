"""Requests that tell somebody of an import's end: signed, and never into a private network."""
