"""Names of columns and keys that clients sent, bounded so that they can be stored and shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MAX_LISTED_NAMES: Final = 100
"""Most names of ignored fields that a job lists."""
MAX_KEPT_NAMES: Final = MAX_LISTED_NAMES + 1
"""Most names that are kept of any set; one more than is listed shows that there are more."""
MAX_NAME_LENGTH: Final = 100
"""Longest name in characters."""


def storable_name(name: str) -> str:
    """Return a name shortened to MAX_NAME_LENGTH, without NUL, which Postgres cannot store."""
    return name[:MAX_NAME_LENGTH].replace("\0", "\ufffd")


@dataclass
class FieldNames:
    """The first MAX_KEPT_NAMES different names, in the order in which they were added."""

    _names: dict[str, None]

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {}
        self.add(names)

    @property
    def is_full(self) -> bool:
        """Whether further names are dropped."""
        return len(self._names) >= MAX_KEPT_NAMES

    def add(self, names: Iterable[str]) -> None:
        """Keep those names that are new, while there is room."""
        for name in names:
            if self.is_full:
                return
            self._names.setdefault(storable_name(name))

    def to_json(self) -> list[str]:
        """Return the names, at most MAX_KEPT_NAMES."""
        return list(self._names)
