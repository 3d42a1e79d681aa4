"""Taking turns: work that could go on for long lets others have the event loop."""

import asyncio
import time
from typing import Final

_TURN_SECONDS: Final = 0.003


class Turn:
    """One piece of work's hold on the event loop."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def share(self) -> None:
        """Let others have the event loop if it was held for some milliseconds."""
        if time.monotonic() - self._since > _TURN_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()
