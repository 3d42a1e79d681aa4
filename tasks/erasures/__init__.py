"""Erasures: everything about an e-mail address is removed."""
