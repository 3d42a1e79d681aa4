"""Puts the workers' pieces together, from the settings."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias

import httpx

from config.settings import Settings
from core.supabase.clients import Project, blocking_client
from core.supabase.rpc import RpcClient
from core.supabase.storage import StorageClient
from tasks.importing.import_contacts import ImportContacts
from tasks.importing.import_part import ImportPart
from tasks.importing.import_part import Metrics as PartMetrics
from tasks.importing.models import PartWork
from tasks.importing.pipeline import ContactWriter
from tasks.importing.undo_import import Metrics as UndoMetrics
from tasks.importing.undo_import import UndoImport
from tasks.maintenance.sweep import Metrics as SweepMetrics
from tasks.maintenance.sweep import Sweep
from tasks.repository import Repository, SweepRepository, UndoRepository
from tasks.webhooks.notify import EndRepository, NotifyImport
from tasks.webhooks.send import Sender
from tasks.webhooks.sign import Signer
from tasks.writing.copy import connection_pool, copy_writer
from tasks.writing.dry_run import DryRunWriter
from tasks.writing.postgrest import PostgrestWriter, Tables

WriterFor: TypeAlias = Callable[[PartWork], AbstractContextManager[ContactWriter]]
"""Gives the writer for one run through a part."""


class Metrics(PartMetrics, SweepMetrics, UndoMetrics, Protocol):
    """What the services have counted; see PrometheusMetrics."""


@dataclass(frozen=True, slots=True)
class Services:
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
        project = Project(
            settings.supabase_url,
            settings.supabase_service_role_key.get_secret_value(),
            settings.upstream_deadline,
        )
        supabase = blocking_client(project)
        # The first use makes these clients: not in two threads at once.
        supabase.postgrest, supabase.storage  # noqa: B018
        connections = ExitStack()
        http = connections.enter_context(httpx.Client(timeout=settings.upstream_deadline))
        deadline = settings.upstream_deadline
        rpc = RpcClient(supabase, deadline=deadline, stopping=stopping)
        storage = StorageClient(project, supabase, http, deadline=deadline, stopping=stopping)
        tables = Tables(supabase, deadline=deadline, stopping=stopping)
        repository = Repository(rpc, part_attempts=settings.part_attempts)
        import_part = ImportPart(
            repository,
            storage,
            storage,
            _contact_writers(settings, tables, repository, connections),
            metrics,
            max_retries=settings.part_retries,
            stopping=stopping,
        )
        return cls(
            import_contacts=ImportContacts(repository, import_part),
            import_part=import_part,
            notify_import=_notify(settings, rpc),
            undo_import=UndoImport(UndoRepository(rpc), storage, metrics, stopping=stopping),
            sweep=Sweep(
                SweepRepository(rpc),
                storage.listing(),
                metrics,
                after=settings.sweep_after,
            ),
            connections=connections,
        )

    def close(self) -> None:
        """Close the connections to Storage and, for COPY, to Postgres."""
        self.connections.close()


def _notify(settings: Settings, rpc: RpcClient) -> NotifyImport:
    allow_private = settings.webhook_allow_private
    secret = settings.webhook_secret
    signer = None if secret is None else Signer(secret.get_secret_value())
    sender = Sender(allow_private=allow_private)
    return NotifyImport(EndRepository(rpc), sender, signer, allow_private=allow_private)


def _contact_writers(
    settings: Settings, tables: Tables, repository: Repository, connections: ExitStack
) -> WriterFor:
    batch = settings.batch_records
    writing = _writing_contact_writers(settings, tables, repository, connections)

    def writer(work: PartWork) -> AbstractContextManager[ContactWriter]:
        if work.dry_run:
            return nullcontext(DryRunWriter(tables, repository, work, batch_records=batch))
        return writing(work)

    return writer


def _writing_contact_writers(
    settings: Settings, tables: Tables, repository: Repository, connections: ExitStack
) -> WriterFor:
    batch = settings.batch_records
    if settings.contacts_writer == "copy":
        pool = connections.enter_context(connection_pool(settings))
        return lambda work: copy_writer(pool, work, batch_records=batch)
    return lambda work: nullcontext(PostgrestWriter(tables, repository, work, batch_records=batch))
