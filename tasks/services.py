"""Builds everything that a worker process needs, from the settings."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import httpx

from config.settings import Settings
from config.tracing import Traces, start_traces
from core.retention import Retention
from core.supabase.clients import Project, blocking_client
from core.supabase.rpc import RpcClient
from core.supabase.storage_blocking import StorageClient
from tasks.erasures.erase_address import EraseAddress
from tasks.erasures.repository import ErasureRepository
from tasks.importing.import_contacts import ImportContacts
from tasks.importing.import_part import ImportPart
from tasks.importing.models import PartWork
from tasks.importing.undo_import import UndoImport
from tasks.maintenance.retention import RetentionSweep
from tasks.maintenance.sweep import Sweep
from tasks.repository import Repository
from tasks.webhooks.notify import NotifyImport
from tasks.webhooks.send import Sender
from tasks.webhooks.sign import Signer
from tasks.writing.base import ContactWriter
from tasks.writing.copy import connection_pool, copy_writer
from tasks.writing.dry_run import DryRunWriter
from tasks.writing.postgrest import PostgrestWriter

if TYPE_CHECKING:
    from tasks.metrics import Metrics

_TRACES_SECONDS: Final = 3.0
"""For the last traces to be sent."""

WriterFactory: TypeAlias = Callable[[PartWork], AbstractContextManager[ContactWriter]]
"""Makes the writer for one attempt at a part."""


@dataclass(frozen=True, slots=True)
class Services:
    """What a worker process can do; shared by its threads."""

    import_contacts: ImportContacts
    import_part: ImportPart
    notify_import: NotifyImport
    undo_import: UndoImport
    erase_address: EraseAddress
    sweep: Sweep
    traces: Traces
    connections: ExitStack

    @classmethod
    def from_settings(
        cls, settings: Settings, metrics: "Metrics", stopping: threading.Event
    ) -> Self:
        """Make all clients; none of them connects before it is used.

        Once ``stopping`` is set, work in progress is handed back.
        """
        deadline = settings.upstream_deadline
        key = settings.supabase_service_role_key.get_secret_value()
        project = Project(settings.supabase_url, key, deadline)
        supabase = blocking_client(project)
        # supabase-py makes these clients when they are first used: not in two threads at once.
        supabase.postgrest, supabase.storage  # noqa: B018
        connections = ExitStack()
        traces = start_traces(settings, "worker")
        connections.callback(traces.close, _TRACES_SECONDS)
        http = connections.enter_context(httpx.Client(timeout=deadline))

        on_retry = metrics.upstream_retried
        rpc = RpcClient(supabase, deadline=deadline, stopping=stopping, on_retry=on_retry)
        retention = Retention(
            settings.keep_objects, settings.keep_rejections, settings.keep_imports
        )
        repository = Repository(rpc, retention, part_attempts=settings.part_attempts)
        storage = StorageClient(
            project, supabase, http, deadline=deadline, stopping=stopping, on_retry=on_retry
        )
        import_part = ImportPart(
            repository,
            storage,
            _writer_factory(settings, repository, connections),
            metrics,
            max_retries=settings.part_retries,
            stopping=stopping,
            traces=traces,
        )
        retention_sweep = RetentionSweep(repository, storage, metrics, retention)
        secret = settings.webhook_secret
        notify_import = NotifyImport(
            repository,
            Sender(allow_private=settings.webhook_allow_private),
            None if secret is None else Signer(secret.get_secret_value()),
            metrics,
            allow_private=settings.webhook_allow_private,
            traces=traces,
        )
        return cls(
            import_contacts=ImportContacts(repository),
            import_part=import_part,
            notify_import=notify_import,
            undo_import=UndoImport(repository, storage, metrics, stopping=stopping, traces=traces),
            erase_address=EraseAddress(
                ErasureRepository(rpc), storage, retention_sweep, metrics, stopping=stopping
            ),
            sweep=Sweep(
                repository,
                storage,
                metrics,
                retention_sweep,
                after=settings.sweep_after,
                keep_messages=settings.keep_messages,
            ),
            traces=traces,
            connections=connections,
        )

    def close(self) -> None:
        """Close the connections to Storage and, for COPY, to Postgres; send the last traces."""
        self.connections.close()


def _writer_factory(
    settings: Settings, repository: Repository, connections: ExitStack
) -> WriterFactory:
    batch_records = settings.batch_records
    uses_copy = settings.contacts_writer == "copy"
    pool = connections.enter_context(connection_pool(settings)) if uses_copy else None

    def writer_for(work: PartWork) -> AbstractContextManager[ContactWriter]:
        if work.dry_run:
            return nullcontext(DryRunWriter(repository, work, batch_records=batch_records))
        if pool is not None:
            return copy_writer(pool, work, batch_records=batch_records)
        return nullcontext(PostgrestWriter(repository, work, batch_records=batch_records))

    return writer_for
