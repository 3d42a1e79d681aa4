"""Periodic maintenance: imports that lost their message, objects without an import."""
