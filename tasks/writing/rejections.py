"""A rejection as its table has it."""

from typing import Any

from tasks.model import PartWork, Rejection


def as_row(work: PartWork, rejection: Rejection) -> dict[str, Any]:
    """The columns of ``import_rejections``."""
    return {
        "import_id": str(work.import_id),
        "record": rejection.record,
        "part": work.part.part,
        "code": rejection.reason.code,
        "message": rejection.reason.message,
        "content": rejection.content,
    }
