"""Whether and where an import's end is told, as the client asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.settings import Settings
from core.errors import InvalidTargetError
from core.webhook_targets import parse_target
from service.problems import ProblemError


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What the settings allow."""

    enabled: bool = False
    allow_private: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "Webhooks":
        """As the settings have it: without a key to sign with there are none."""
        return cls(settings.webhook_secret is not None, settings.webhook_allow_private)

    def wanted(self, urls: Sequence[str]) -> str | None:
        """The address to tell, None if none is named; raises ProblemError if nobody is told there."""
        named = [url for url in urls if url]
        if not named:
            return None
        if not self.enabled:
            raise ProblemError("webhooks_disabled", "Ask for the import's state instead.")
        if len(named) > 1:
            raise ProblemError("notify_invalid", "Name one address to notify only.")
        try:
            parse_target(named[0], allow_private=self.allow_private)
        except InvalidTargetError as refused:
            raise ProblemError("notify_invalid", str(refused)) from None
        return named[0]
