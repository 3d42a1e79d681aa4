"""Names of fields as clients see them: of columns and keys that were found or ignored."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

SHOWN_NAMES: Final = 100
"""Names of ignored fields that are told."""
MAX_NAMES: Final = SHOWN_NAMES + 1
"""Names that are kept of any set of them, so that it can be told that there are more."""
MAX_NAME_LENGTH: Final = 100
"""Characters."""


def shown_name(name: str) -> str:
    """A name that is short and that any database stores."""
    return name[:MAX_NAME_LENGTH].replace("\0", "\ufffd")


@dataclass
class FieldNames:
    """The first different names of those that are noted, in their order."""

    _names: dict[str, None]

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {}
        self.note(names)

    @property
    def is_full(self) -> bool:
        """Whether no more are kept."""
        return len(self._names) >= MAX_NAMES

    def note(self, names: Iterable[str]) -> None:
        """Keep those that are new, as long as there is room."""
        for name in names:
            if self.is_full:
                return
            self._names.setdefault(shown_name(name))

    def to_json(self) -> list[str]:
        """The names, at most MAX_NAMES."""
        return list(self._names)
