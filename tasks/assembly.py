"""Puts the workers' pieces together, from the settings."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias

import httpx
from supabase import Client

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
    def from_settings(cls, settings: Settings, metrics: Metrics) -> Self:
        """Make all clients; no connection is opened before it is needed."""
        supabase = supabase_blocking(settings)
        # The first use makes these clients: not in two threads at once.
        supabase.postgrest, supabase.storage  # noqa: B018
        connections = ExitStack()
        http = connections.enter_context(httpx.Client(timeout=settings.upstream_deadline))
        ledger = WorkerLedger(
            supabase,
            part_attempts=settings.part_attempts,
            deadline=settings.upstream_deadline,
        )
        import_part = ImportPart(
            ledger,
            _reader(settings, http),
            _desks(settings, supabase, ledger, connections),
            metrics,
            max_retries=settings.part_retries,
        )
        return cls(
            import_contacts=ImportContacts(ledger, import_part),
            import_part=import_part,
            notify_import=_notify(settings, supabase),
            undo_import=_undo(settings, supabase, metrics),
            sweep=_sweep(settings, supabase, metrics),
            connections=connections,
        )

    def close(self) -> None:
        """Close the connections to Storage and, for COPY, to Postgres."""
        self.connections.close()


def _reader(settings: Settings, http: httpx.Client) -> ObjectReader:
    return ObjectReader(
        settings.supabase_url, key_headers(settings), http, deadline=settings.upstream_deadline
    )


def _sweep(settings: Settings, supabase: Client, metrics: SweepMetrics) -> Sweep:
    deadline = settings.upstream_deadline
    return Sweep(
        SweepLedger(Functions(supabase, deadline=deadline)),
        Bucket(supabase, deadline=deadline),
        metrics,
        after=settings.sweep_after,
    )


def _notify(settings: Settings, supabase: Client) -> NotifyImport:
    ledger = EndLedger(Functions(supabase, deadline=settings.upstream_deadline))
    allow_private = settings.webhook_allow_private
    secret = settings.webhook_secret
    signer = None if secret is None else Signer(secret.get_secret_value())
    sender = Sender(allow_private=allow_private)
    return NotifyImport(ledger, sender, signer, allow_private=allow_private)


def _undo(settings: Settings, supabase: Client, metrics: UndoMetrics) -> UndoImport:
    deadline = settings.upstream_deadline
    functions = Functions(supabase, deadline=deadline)
    return UndoImport(UndoLedger(functions), Bucket(supabase, deadline=deadline), metrics)


def _desks(
    settings: Settings, supabase: Client, ledger: WorkerLedger, connections: ExitStack
) -> DeskFor:
    batch = settings.batch_records
    tables = Tables(supabase, deadline=settings.upstream_deadline)
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
