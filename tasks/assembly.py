"""Puts the workers' pieces together, from the settings."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias

import httpx

from config.clients import key_headers, supabase_blocking
from config.settings import Settings
from tasks.bucket import Bucket
from tasks.carrying import Desk
from tasks.functions import Functions
from tasks.import_contacts import ImportContacts
from tasks.import_part import ImportPart
from tasks.import_part import Metrics as PartMetrics
from tasks.ledger import WorkerLedger
from tasks.model import PartWork
from tasks.notify_import import EndLedger, NotifyImport
from tasks.reading import ObjectReader
from tasks.sweep_ledger import SweepLedger
from tasks.sweeping import Metrics as SweepMetrics
from tasks.sweeping import Sweep
from tasks.undo_import import Metrics as UndoMetrics
from tasks.undo_import import UndoImport
from tasks.undo_ledger import UndoLedger
from tasks.webhooks.sending import Sender
from tasks.webhooks.signing import Signer
from tasks.writing.copying import connection_pool, copy_desk
from tasks.writing.dry import DryDesk
from tasks.writing.postgrest import PostgrestDesk, Tables

DeskFor: TypeAlias = Callable[[PartWork], AbstractContextManager[Desk]]
"""Gives the desk for one run through a part."""


class Metrics(PartMetrics, SweepMetrics, UndoMetrics, Protocol):
    """What the stories have counted; see PrometheusMetrics."""


@dataclass(frozen=True, slots=True)
class Stories:
    """What a worker process can do; shared by its threads."""

    import_contacts: ImportContacts
    import_part: ImportPart
    notify_import: NotifyImport
    undo_import: UndoImport
    sweep: Sweep
    connections: ExitStack

    @classmethod
    def from_settings(cls, settings: Settings, metrics: Metrics, stopping: threading.Event) -> Self:
        """Make all clients; no connection is opened before it is needed.

        Once ``stopping`` is set, what is in work is handed back.
        """
        supabase = supabase_blocking(settings)
        # The first use makes these clients: not in two threads at once.
        supabase.postgrest, supabase.storage  # noqa: B018
        connections = ExitStack()
        http = connections.enter_context(httpx.Client(timeout=settings.upstream_deadline))
        deadline = settings.upstream_deadline
        functions = Functions(supabase, deadline=deadline, stopping=stopping)
        bucket = Bucket(supabase, deadline=deadline, stopping=stopping)
        tables = Tables(supabase, deadline=deadline, stopping=stopping)
        ledger = WorkerLedger(functions, part_attempts=settings.part_attempts)
        reader = ObjectReader(
            settings.supabase_url, key_headers(settings), http, deadline=deadline, stopping=stopping
        )
        import_part = ImportPart(
            ledger,
            reader,
            bucket,
            _desks(settings, tables, ledger, connections),
            metrics,
            max_retries=settings.part_retries,
            stopping=stopping,
        )
        return cls(
            import_contacts=ImportContacts(ledger, import_part),
            import_part=import_part,
            notify_import=_notify(settings, functions),
            undo_import=UndoImport(UndoLedger(functions), bucket, metrics, stopping=stopping),
            sweep=Sweep(
                SweepLedger(functions),
                # One that is looked through has a place in the list, which nobody shares.
                Bucket(supabase, deadline=deadline, stopping=stopping),
                metrics,
                after=settings.sweep_after,
            ),
            connections=connections,
        )

    def close(self) -> None:
        """Close the connections to Storage and, for COPY, to Postgres."""
        self.connections.close()


def _notify(settings: Settings, functions: Functions) -> NotifyImport:
    allow_private = settings.webhook_allow_private
    secret = settings.webhook_secret
    signer = None if secret is None else Signer(secret.get_secret_value())
    sender = Sender(allow_private=allow_private)
    return NotifyImport(EndLedger(functions), sender, signer, allow_private=allow_private)


def _desks(
    settings: Settings, tables: Tables, ledger: WorkerLedger, connections: ExitStack
) -> DeskFor:
    batch = settings.batch_records
    writing = _writing_desks(settings, tables, ledger, connections)

    def desk(work: PartWork) -> AbstractContextManager[Desk]:
        if work.dry_run:
            return nullcontext(DryDesk(tables, ledger, work, batch_records=batch))
        return writing(work)

    return desk


def _writing_desks(
    settings: Settings, tables: Tables, ledger: WorkerLedger, connections: ExitStack
) -> DeskFor:
    batch = settings.batch_records
    if settings.contacts_writer == "copy":
        pool = connections.enter_context(connection_pool(settings))
        return lambda work: copy_desk(pool, work, batch_records=batch)
    return lambda work: nullcontext(PostgrestDesk(tables, ledger, work, batch_records=batch))
