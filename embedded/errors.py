"""Errors of the stack that its user can act on."""


class StackError(Exception):
    """The stack cannot start or continue; the message is shown to the user as it is."""
