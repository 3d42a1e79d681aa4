"""Bytes of a body in, bytes of the object and cut points of its parts out. No I/O."""
