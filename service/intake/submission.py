"""What a client submits, whatever form the request has: bytes, a splitter for them, a source."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from service.intake.digest import Digest
from service.intake.options import Options
from service.splitting.base import Splitter


@dataclass(frozen=True, slots=True)
class Submission:
    """One import that is about to come in."""

    pieces: AsyncIterator[bytes]
    """The bytes of the body or file; read once, to the end or to an error."""
    splitter: Splitter
    source: Callable[[], Awaitable[str]]
    """Tells the source; may be called once the pieces are read, and may read on for it."""
    receipt: Digest
    """Of the pieces as they came; whole when they are read."""
    options: Options = field(default_factory=Options)
    compression: str | None = None
    """What the pieces were compressed with when they came."""
