"""The story of one import, as its client sees it: sent, followed to its end, rejections kept."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from contacts_import.errors import UsageError
from contacts_import.http import TRIES, ask, calls, told
from contacts_import.request import Request

ENDED: Final = frozenset({"completed", "failed", "cancelled", "undone", "undo_failed"})
REPLAYED: Final = "Idempotent-Replayed"
"""The header of an answer that tells of an earlier request's import."""

_FIRST_LOOK: Final = 0.1
_LAST_LOOK: Final = 2.0
_SLOWER: Final = 1.3

Job = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """An import that the service will see to its end."""

    job_id: str
    earlier: bool
    """Whether it came with an earlier request."""


class Importer:
    """The service behind a client; ``note`` is told what a person at the terminal should know."""

    def __init__(self, http: httpx.Client, note: Callable[[str], None]) -> None:
        self._http = http
        self._note = note

    def send(self, request: Request, start: Callable[[], Callable[[int], None]]) -> Accepted:
        """Send a file, again if that is safe; ``start`` begins the progress of each try anew."""
        tries = calls(self._note, tries=TRIES if request.repeatable else 1)
        answer = tries(lambda: ask(lambda: self._post(request, start())))
        return Accepted(str(told(answer)["jobId"]), answer.headers.get(REPLAYED) == "true")

    def follow(self, job_id: str) -> Iterator[Job]:
        """The import as it goes on; the last one has ended."""
        wait = _FIRST_LOOK
        while True:
            job = self._look(job_id)
            yield job
            if job["state"] in ENDED:
                return
            time.sleep(wait)
            wait = min(wait * _SLOWER, _LAST_LOOK)

    def keep_rejections(self, job_id: str, path: Path) -> None:
        """Write all rejections to a CSV file, which is there only once it is whole."""
        partial = path.with_name(f"{path.name}.part")
        try:
            calls(self._note)(lambda: ask(lambda: self._download(job_id, partial)))
            partial.replace(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)

    def _look(self, job_id: str) -> Job:
        address = f"/import/{job_id}"
        return told(calls(self._note)(lambda: ask(lambda: self._http.get(address))))

    def _post(self, request: Request, progress: Callable[[int], None]) -> httpx.Response:
        return self._http.post(
            "/import",
            params=request.query,
            headers=request.headers,
            content=request.body(progress),
        )

    def _download(self, job_id: str, path: Path) -> httpx.Response:
        address, query = f"/import/{job_id}/rejections", {"format": "csv"}
        with self._http.stream("GET", address, params=query) as answer:
            if not answer.is_success:
                answer.read()
                return answer
            with path.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
        return answer
