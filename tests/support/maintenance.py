"""The workers' maintenance against a real Supabase, in the process of the test."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx

from core.retention import Retention
from core.supabase.clients import Project, blocking_client
from core.supabase.rpc import RpcClient
from core.supabase.storage_blocking import StorageClient
from tasks.erasures.erase_address import EraseAddress
from tasks.erasures.repository import ErasureRepository
from tasks.maintenance.retention import RetentionSweep
from tasks.repository import Repository
from tests.unit.tasks.fakes import FakeMetrics


@dataclass(frozen=True)
class Maintenance:
    """Makes sweeps and erasures."""

    rpc: RpcClient
    storage: StorageClient
    metrics: FakeMetrics

    def sweep(self, retention: Retention) -> RetentionSweep:
        repository = Repository(self.rpc, retention, part_attempts=5)
        return RetentionSweep(repository, self.storage, self.metrics, retention)  # type: ignore[arg-type]

    def eraser(self) -> EraseAddress:
        return EraseAddress(
            ErasureRepository(self.rpc),
            self.storage,
            self.sweep(Retention()),
            self.metrics,  # type: ignore[arg-type]
            stopping=threading.Event(),
        )


@contextlib.contextmanager
def maintenance_of(env: Mapping[str, str]) -> Iterator[Maintenance]:
    """Make the clients of a worker for this Supabase."""
    project = Project(env["SUPABASE_URL"], env["SUPABASE_SERVICE_ROLE_KEY"], 30)
    supabase = blocking_client(project)
    with httpx.Client(timeout=30) as http:
        yield Maintenance(
            RpcClient(supabase, deadline=30),
            StorageClient(project, supabase, http, deadline=30),
            FakeMetrics(),
        )
    supabase.options.httpx_client.close()
