"""Periodic maintenance: the sweep, and when it runs."""
