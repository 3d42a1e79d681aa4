"""``python -m benchmarks.raw_upload FILE``: uploads a file to Storage without parsing it.

It uses the service's uploader (chunks of 6 MiB, of which the next is read while one is sent),
without splitter, repository and queue. Prints the seconds, without the start of the process.
"""

import sys
import time
from pathlib import Path
from uuid import uuid4

import aiohttp
import uvloop

from config.settings import Settings
from core.supabase.clients import Project, async_client
from core.supabase.rpc import AsyncRpcClient
from core.supabase.storage_async import AsyncStorageClient
from service.fair_scheduling import FairScheduler
from service.intake.buffers import BufferBudget
from service.intake.object_upload import Upload
from service.repository import Repository

PIECE = 256 * 1024
DEADLINE = 30.0


def main() -> int:
    """Upload the file into the bucket for imports."""
    sys.stdout.write(f"{uvloop.run(_timed(Path(sys.argv[1])))}\n")
    return 0


async def _timed(path: Path) -> float:
    settings = Settings.from_environment()
    project = Project(
        settings.supabase_url,
        settings.supabase_service_role_key.get_secret_value(),
        settings.upstream_deadline,
    )
    supabase = async_client(project)
    async with aiohttp.ClientSession(settings.supabase_url) as session:
        storage = AsyncStorageClient(
            supabase, session, project.headers, before_slice=FairScheduler().next
        )
        await storage.check()  # connected, as the service is
        begun = time.monotonic()
        registry = Repository(AsyncRpcClient(supabase, deadline=settings.upstream_deadline))
        await _upload(storage, registry, path)
        return time.monotonic() - begun


async def _upload(storage: AsyncStorageClient, registry: Repository, path: Path) -> None:
    name = f"{uuid4()}.json"
    upload = Upload(
        storage, registry, name, "application/json", budget=BufferBudget(), deadline=DEADLINE
    )
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            await upload.write(piece)
    await upload.finish()


if __name__ == "__main__":
    sys.exit(main())
