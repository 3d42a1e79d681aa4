"""Stand-ins for what is around the workers: PostgREST, Storage, the repository, a writer."""

import json
from dataclasses import replace
from uuid import UUID

import httpx
from supabase import Client, ClientOptions

from core.ids import contact_id_prefix
from core.models import Part
from core.records.classify import RejectedRecord
from core.records.rejection_reasons import refused_by_database
from core.retention import Retention
from core.states import Format, ImportState
from core.supabase.rpc import RpcClient
from tasks.importing.models import (
    Attempt,
    NeedsExclusiveRun,
    PartEnd,
    PartWork,
    StartedImport,
)
from tasks.repository import Repository
from tests.support.plans import OBJECTS

IMPORT = UUID("01a2072c-a553-70c3-afd6-2ab12031aef1")
PREFIX = contact_id_prefix(IMPORT)


def work_on(data, *, records, first_record=1, plan=None, part=1, kind=Format.JSON, rerun=False):
    return PartWork(
        attempt=Attempt(IMPORT, part),
        source="fair",
        format=Format.CSV if plan else kind,
        plan=plan or OBJECTS,
        object=f"import-{IMPORT}.json",
        object_bytes=len(data),
        part=Part(part, 0, len(data), first_record, records),
        contact_prefix=PREFIX,
        rerun=rerun,
    )


def supabase_client(handler):
    """A client whose requests are answered by ``handler``."""
    http = httpx.Client(transport=httpx.MockTransport(handler))
    return Client("http://supabase", "key", ClientOptions(httpx_client=http))


class FakePostgrest:
    """Answers calls of SQL functions with the given values, in turn; Responses as they are."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def __call__(self, request):
        self.calls.append((request.url.path.rpartition("/")[2], json.loads(request.content)))
        answer = self.answers.pop(0)
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, content=json.dumps(answer))

    def repository(self, deadline=5):
        rpc = RpcClient(supabase_client(self), deadline=deadline)
        return Repository(rpc, Retention(), part_attempts=5)


class FakeWriter:
    """Keeps contacts by record, as the table does; rejects the records in ``bad``."""

    def __init__(self, batch_records=10, *, bad=(), error=None, repository=None):
        self.batch_records = batch_records
        self.stored = {}
        self.batches = []
        """Their numbers of records."""
        self.rejections = []
        self.bad = set(bad)
        self.error = error
        self.repository = repository
        self.opened = 0
        self.objects = []
        """Objects with rejections."""
        self.known = set()
        """Records that an earlier attempt has imported."""

    def __enter__(self):
        self.opened += 1
        return self

    def __exit__(self, *_):
        self.opened -= 1

    def write(self, batch):
        if self.error:
            raise self.error
        self.batches.append(len(batch))
        records = zip(batch.numbers, batch.names, batch.emails, strict=True)
        contacts = {record: (name, email) for record, name, email in records if name or email}
        self.stored |= {record: contacts[record] for record in contacts.keys() - self.bad}
        bad = sorted(self.bad & contacts.keys())
        return [RejectedRecord(record, refused_by_database("23514")) for record in bad]

    def reject(self, rejections):
        self.rejections += rejections

    def add_rejection_object(self, stored):
        self.objects.append(stored)

    def contacts_among(self, records):
        return self.known & set(records)

    def write_last(self, batch, counts):
        if self.bad:
            return None
        self.write(batch)
        if self.repository is None:
            return PartEnd(True, ImportState.COMPLETED, True, 1)
        return self.finish(counts)

    def finish(self, counts):
        return self.repository.finish_part(self.repository.work.attempt, counts)


class FakeStorage:
    """Keeps objects by name, and reads ``data`` in chunks.

    ``read_error`` is raised after the first chunk, ``error`` when an object is stored.
    """

    def __init__(self, data=b"", *, chunk=64, read_error=None, error=None):
        self.data = data
        self.chunk = chunk
        self.read_error = read_error
        self.error = error
        self.read_closed = False
        self.stored = {}

    def read(self, name, start, end, *, size):
        try:
            for at in range(start, end, self.chunk):
                if self.read_error and at > start:
                    raise self.read_error
                yield self.data[at : min(at + self.chunk, end)]
        finally:
            self.read_closed = True

    def put(self, name, content, content_type):
        if self.error:
            raise self.error
        self.stored[name] = content

    def names_in(self, folder, *, prefix=""):
        beginning = f"{folder}/{prefix}"
        names = sorted(name for name in self.stored if name.startswith(beginning))
        return [name.removeprefix(f"{folder}/") for name in names]

    def remove(self, names):
        for name in names:
            del self.stored[name]


class FakeRepository:
    """Remembers its calls; ``error`` is raised by the calls named in ``failing``."""

    def __init__(self, work=None, *, retries=1, started=None, error=None, failing=()):
        self.calls = []
        self.work = work
        """What start_part returns."""
        self.retries = retries
        self.started = started
        self.error = error
        self.failing = failing
        self.needs_exclusive_run = False
        self.ended = []
        """Parts that were finished."""
        self.message_id = None
        """That of the last start."""
        self.attempts = []
        """Those that were started, in order."""
        self.ended_attempts = []
        """Those that were reported with the last start."""

    def _note(self, name, *arguments):
        self.calls.append((name, *arguments))
        if name in self.failing:
            raise self.error

    def start_import(self, import_id):
        self._note("start_import", import_id)
        return None if self.started is None else StartedImport(ImportState.IMPORTING, self.started)

    def queue_parts(self, import_id, started):
        self._note("queue_parts", import_id, started.parts)

    def start_part(self, attempt, message_id, *, exclusive, ended_attempts):
        self.attempts.append(attempt)
        self.message_id = message_id
        self.ended_attempts = list(ended_attempts)
        self._note("start_part", attempt.import_id, attempt.part, exclusive)
        if self.needs_exclusive_run and not exclusive:
            return NeedsExclusiveRun(Attempt(IMPORT, 1, attempt.id))
        if isinstance(self.work, PartWork):  # the work belongs to the attempt that asks for it
            place = self.work.attempt
            return replace(self.work, attempt=Attempt(place.import_id, place.part, attempt.id))
        return self.work

    def finish_part(self, attempt, counts):
        self.ended.append((attempt.import_id, attempt.part))
        self._note("finish_part", counts.imported, counts.rejected.total())
        return PartEnd(True, ImportState.COMPLETED, True, 1.5)

    def fail_part(self, attempt, code, detail):
        self._note("fail_part", code, detail)
        return PartEnd(True, ImportState.FAILED, True, 1.5)

    def cancel_part(self, attempt):
        self._note("cancel_part")
        return PartEnd(True, ImportState.CANCELLED, True, 1.5)

    def postpone_part(self, attempt, *, unavailable):
        self._note("postpone_part", "unavailable" if unavailable else "stopping")
        return self.retries


class FakeMetrics:
    """Remembers what was counted."""

    def __init__(self):
        self.seen = []

    def records_read(self, count):
        self.seen.append(("read", count))

    def part_worked_on(self, seconds):
        self.seen.append("worked")

    def part_done(self, work, counts, end):
        self.seen.append(("done", counts.imported, dict(counts.rejected)))

    def part_failed(self, end):
        self.seen.append("failed")

    def part_cancelled(self, end):
        self.seen.append("cancelled")

    def undo_failed(self):
        self.seen.append("undo failed")

    def import_undone(self):
        self.seen.append("undone")

    def expired(self, kind, count):
        self.seen.append(("expired", kind, count))

    def erasure_ended(self, outcome):
        self.seen.append(("erasure", outcome))

    def part_postponed(self):
        self.seen.append("postponed")

    def imports_queued_again(self, count):
        self.seen.append(("queued again", count))

    def objects_removed(self, count):
        self.seen.append(("removed", count))

    def uploads_ended(self, count):
        self.seen.append(("uploads ended", count))

    def sweep_ended(self, kind, seconds, *, failed):
        assert seconds >= 0
        self.seen.append((kind, "failed" if failed else "done"))

    def webhook_ended(self, outcome):
        self.seen.append(outcome)
