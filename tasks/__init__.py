"""The workers: ``dramatiq tasks`` runs them, ``python -m tasks --once`` drains the queue and ends.

Importing this declares the actors on dramatiq's broker. It reads no setting and opens no
connection; that is for a worker process's start (see runtime.py).
"""

from core.interpreter import require_python

require_python()

# Only now: what an older Python cannot read must not be imported before it is refused.
import dramatiq  # noqa: E402

from tasks.actors import (  # noqa: E402
    import_contacts,
    import_part,
    notify_import,
    undo_import,
)
from tasks.queue.broker import broker  # noqa: E402

__all__ = ["broker", "import_contacts", "import_part", "notify_import", "undo_import"]

dramatiq.set_broker(broker)
