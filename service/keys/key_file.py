"""The file that ``API_KEYS_FILE`` names: read at the start, and again when it changes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from service.keys.api_key import ApiKey, KeyFileError, find_key, parse_keys

_CHECK_SECONDS: Final = 1.0
"""How long a change may go unnoticed."""
_MAX_BYTES: Final = 1024 * 1024

_log = structlog.stdlib.get_logger(__name__)


class KeyFile:
    """The keys of a file. A change that cannot be used keeps the former keys, and is logged.

    The content is compared, not the time of its last change: the file is small, some file systems
    have coarse clocks, and a link may come to lead elsewhere.
    """

    def __init__(self, path: Path) -> None:
        """Read the file; blocks. Raises KeyFileError if it cannot be used."""
        self._path = path
        self._seen = _read(path)
        self._keys = _parse(self._seen)

    @property
    def keys(self) -> Sequence[ApiKey]:
        """The keys that are valid now."""
        return self._keys

    def find(self, text: str) -> ApiKey | None:
        """Return the key that a client has sent, None if the file does not have it."""
        return find_key(self._keys, text)

    def refresh(self) -> None:
        """Read the file again; blocks. The same error is logged once."""
        seen = _read(self._path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            keys = _parse(seen)
        except KeyFileError as error:
            _log.error("API keys not changed", reason=str(error))
            return
        if keys != self._keys:
            self._keys = keys
            _log.info("API keys changed", keys=len(keys))

    async def watch(self) -> None:
        """Refresh from time to time, until it is cancelled."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            await asyncio.to_thread(self.refresh)


def _read(path: Path) -> bytes | str:
    """Return the content of a file, or why it cannot be read."""
    try:
        if not path.is_file():
            return "there is no such file"
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return content if len(content) <= _MAX_BYTES else f"it has over {_MAX_BYTES} bytes"


def _parse(seen: bytes | str) -> tuple[ApiKey, ...]:
    if isinstance(seen, str):
        raise KeyFileError(seen)
    keys = parse_keys(seen)
    if not keys:
        # Rather a file that is just being written than a wish to lock everybody out.
        raise KeyFileError("there is no key in it")
    return keys
