"""Values that come from JSON, as the types of this project."""

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


class Converter(Generic[T]):
    """Converts values to a type, in any thread; made at the top of a module.

    msgspec (0.22) works out the fields of a type where the type is used first. A second thread that
    uses it meanwhile gets half of them, and the process ends with SIGSEGV. So they are worked out
    here, while there is one thread.
    """

    def __init__(self, type_: type[T]) -> None:
        msgspec.json.Decoder(type_)
        self._type = type_

    def __call__(self, value: Any) -> T:  # noqa: ANN401 -- whatever the database had
        """Return the value as the type. Raises msgspec.ValidationError."""
        return msgspec.convert(value, self._type)
