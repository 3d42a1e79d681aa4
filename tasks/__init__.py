"""The workers: ``dramatiq tasks`` runs them, ``python -m tasks --once`` drains the queue and ends.

Importing this declares the actors on dramatiq's broker. It reads no setting and opens no
connection; that is for a worker process's start (see runtime.py).
"""

import dramatiq

from tasks.actors import import_contacts, import_part, notify_import, undo_import
from tasks.broker import broker

__all__ = ["broker", "import_contacts", "import_part", "notify_import", "undo_import"]

dramatiq.set_broker(broker)
