"""What can keep the stack from starting, told so that a user can act on it."""


class StackError(Exception):
    """The stack cannot start or go on; the message is all that the user will read."""
