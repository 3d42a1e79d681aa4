"""Imports parts: read, parse, validate, write, finish. Also starts imports and undoes them."""
