"""The workers: ``dramatiq tasks`` runs them, ``python -m tasks --once`` empties the queue and ends.

Importing this package declares the actors on dramatiq's broker. It reads no setting and opens no
connection: that happens when a worker process starts, in ``tasks.worker``.
"""

from core.python_version import require_python

require_python()

# Only now: an older Python cannot parse the other modules.
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
