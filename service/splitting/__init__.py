"""Splits bodies into parts of whole records: bytes in, the object's bytes and parts out. No I/O."""
