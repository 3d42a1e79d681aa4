"""How long what an import leaves is kept, counted from the import's end."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Retention:
    """The operator's limits in seconds; None is for ever. A client may ask for less."""

    objects: float | None = None
    rejections: float | None = None
    imports: float | None = None
    """An import goes with its object and its rejections; its contacts stay."""

    @property
    def of_objects(self) -> float | None:
        """How long objects are kept: no longer than their imports."""
        return least(self.objects, self.imports)

    @property
    def of_rejections(self) -> float | None:
        """How long rejections are kept: no longer than their imports."""
        return least(self.rejections, self.imports)


def least(*seconds: float | None) -> float | None:
    """Return the shortest of these times, None if all of them are for ever."""
    return min((each for each in seconds if each is not None), default=None)


def expiry(ended_at: str | None, seconds: float | None) -> str | None:
    """Return when something expires so many seconds after an end; None if it never does.

    Times are as PostgREST has them (ISO 8601).
    """
    if ended_at is None or seconds is None:
        return None
    return (datetime.fromisoformat(ended_at) + timedelta(seconds=seconds)).isoformat()
