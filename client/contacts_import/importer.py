"""One import, from the client's side: upload the file, wait for the end, download rejections."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from contacts_import.errors import UsageError
from contacts_import.http import MAX_ATTEMPTS, Notify, Sleep, checked, json_object, retrying
from contacts_import.request import ImportRequest

FINAL_STATES: Final = frozenset({"completed", "failed", "cancelled", "undone", "undo_failed"})

_REPLAYED: Final = "Idempotent-Replayed"
_FIRST_POLL_SECONDS: Final = 0.1
_LAST_POLL_SECONDS: Final = 2.0
_POLL_GROWTH: Final = 1.3

Job = dict[str, Any]
"""An import as ``GET /import/{jobId}`` shows it."""
Progress = Callable[[int], None]
"""Called with the number of bytes of the file that were sent since the last call."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An import that the service has accepted."""

    job_id: str
    replayed: bool
    """Whether an earlier request with the same Idempotency-Key created it."""
    warnings: Sequence[Mapping[str, Any]] = ()
    """About the file as a whole."""


class Importer:
    """Uses the service through ``http``; shows retries with ``notify``, and waits with ``sleep``.

    All methods raise ClientError and its subclasses.
    """

    def __init__(self, http: httpx.Client, notify: Notify, sleep: Sleep = time.sleep) -> None:
        self._http = http
        self._notify = notify
        self._sleep = sleep

    def upload(self, request: ImportRequest, start_progress: Callable[[], Progress]) -> Accepted:
        """Send the file, repeatedly if that is safe; ``start_progress`` is called for each try."""
        attempts = MAX_ATTEMPTS if request.repeatable else 1
        answer = self._post("/import", request, start_progress, attempts)
        accepted = json_object(answer)
        return Accepted(
            str(accepted["jobId"]),
            replayed=answer.headers.get(_REPLAYED) == "true",
            warnings=accepted.get("warnings", ()),
        )

    def preview(self, request: ImportRequest) -> dict[str, Any]:
        """Ask how the file would be read; returns the answer of ``POST /import/preview``."""
        attempts = MAX_ATTEMPTS if request.file.repeatable else 1
        answer = self._post("/import/preview", request, lambda: lambda _: None, attempts)
        return json_object(answer)

    def follow(self, job_id: str) -> Iterator[Job]:
        """Poll the import, ever more slowly; yields each answer, the last in a final state."""
        seconds = _FIRST_POLL_SECONDS
        while True:
            answer = self._retrying(lambda: self._http.get(f"/import/{job_id}"))
            job = json_object(answer)
            yield job
            if job["state"] in FINAL_STATES:
                return
            self._sleep(seconds)
            seconds = min(seconds * _POLL_GROWTH, _LAST_POLL_SECONDS)

    def download_rejections(self, job_id: str, path: Path) -> None:
        """Write all rejections to a CSV file, which appears only when it is complete.

        Raises UsageError if the file cannot be written.
        """
        partial = path.with_name(f"{path.name}.part")

        def download() -> httpx.Response:
            address, query = f"/import/{job_id}/rejections", {"format": "csv"}
            with self._http.stream("GET", address, params=query) as answer:
                if not answer.is_success:
                    answer.read()
                    return answer
                with partial.open("wb") as file:
                    for chunk in answer.iter_bytes():
                        file.write(chunk)
            return answer

        try:
            self._retrying(download)
            partial.replace(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)

    def _post(
        self,
        path: str,
        request: ImportRequest,
        start_progress: Callable[[], Progress],
        attempts: int,
    ) -> httpx.Response:
        def post() -> httpx.Response:
            return self._http.post(
                path,
                params=request.query,
                headers=request.headers,
                content=request.body(start_progress()),
            )

        return retrying(self._notify, self._sleep, attempts=attempts)(lambda: checked(post))

    def _retrying(self, request: Callable[[], httpx.Response]) -> httpx.Response:
        return retrying(self._notify, self._sleep)(lambda: checked(request))
