"""What a key may be allowed to do. A further scope is a further line in the table."""

from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """A set of operations that a key allows; each operation of the API needs one or none."""

    IMPORT = "import"
    READ = "read"
    UNDO = "undo"
    ERASE = "erase"
    METRICS = "metrics"


SCOPES: Final[dict[Scope, str]] = {
    Scope.IMPORT: "Create and preview imports.",
    Scope.READ: "List imports, and read their states, counts and rejections.",
    Scope.UNDO: "Retry, cancel and undo imports.",
    Scope.ERASE: "Have all contacts and rejected records with an e-mail address removed.",
    Scope.METRICS: "Read the metrics, where the operator protects them.",
}
"""What each scope allows."""
