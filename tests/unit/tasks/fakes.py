"""Stand-ins at the workers' own boundaries."""

from uuid import UUID

from core.models import Layout, Part
from core.states import Format, ImportState
from tasks.importing.models import Attempt, PartWork, RejectedRecord
from tasks.importing.rejection_reasons import refused_by_database
from tasks.repository import PartEnd, StartedImport, Suspect

IMPORT = UUID("01a2072c-a553-70c3-afd6-2ab12031aef1")


def work_on(data, *, records, first_record=1, layout=None, part=1, kind=Format.JSON, rerun=False):
    return PartWork(
        attempt=Attempt(IMPORT, part),
        source="fair",
        format=Format.CSV if layout else kind,
        layout=layout,
        object=f"import-{IMPORT}.json",
        part=Part(part, 0, len(data), first_record, records),
        rerun=rerun,
    )


NAME_AND_EMAIL = Layout(fields=2, name=0, email=1)


class FakeReader:
    """Gives ``data`` in pieces; raises ``error`` after the first of them."""

    def __init__(self, data, *, piece=64, error=None):
        self.data = data
        self.piece = piece
        self.error = error
        self.closed = False

    def read(self, name, start, end):
        try:
            for at in range(start, end, self.piece):
                if self.error and at > start:
                    raise self.error
                yield self.data[at : min(at + self.piece, end)]
        finally:
            self.closed = True


class FakeDesk:
    """Keeps contacts by record, as the table does; refuses the records in ``refuse``."""

    def __init__(self, batch_records=10, *, refuse=(), error=None, repository=None):
        self.batch_records = batch_records
        self.stored = {}
        self.batches = []
        self.rejections = []
        self.refuse = set(refuse)
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
        found = zip(batch.numbers, batch.names, batch.emails, strict=True)
        contacts = {record: (name, email) for record, name, email in found if name or email}
        refused = sorted(self.refuse & contacts.keys())
        self.stored |= {record: contacts[record] for record in contacts.keys() - self.refuse}
        return [RejectedRecord(record, refused_by_database("23514")) for record in refused]

    def reject(self, rejections):
        self.rejections += rejections

    def reject_stored(self, stored):
        self.objects.append(stored)

    def contacts_among(self, records):
        return self.known & set(records)

    def write_last(self, batch, counts):
        if self.refuse:
            return None
        self.write(batch)
        return (
            self.finish(counts)
            if self.repository
            else PartEnd(True, ImportState.COMPLETED, True, 1)
        )

    def finish(self, counts):
        return self.repository.finish_part(self.repository.work.attempt, counts)


class FakeObjects:
    """Keeps objects by name, as the bucket does; ``error`` is raised instead."""

    def __init__(self, *, error=None):
        self.stored = {}
        self.error = error

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
        self.retries = retries
        self.started = started
        self.error = error
        self.failing = failing
        self.suspect = False
        self.begun = []
        """Attempts, in their order."""
        self.ended = []
        """What the last of them was told to have ended."""

    def _note(self, name, *arguments):
        self.calls.append((name, *arguments))
        if name in self.failing:
            raise self.error

    def start_import(self, import_id):
        self._note("start_import", import_id)
        return None if self.started is None else StartedImport(ImportState.IMPORTING, self.started)

    def queue_parts(self, import_id, started):
        self._note("queue_parts", import_id, started.parts)

    def start_part(self, attempt, *, alone, ended):
        self.begun.append(attempt)
        self.ended = list(ended)
        self._note("start_part", attempt.import_id, attempt.part, alone)
        return Suspect() if self.suspect and not alone else self.work

    def finish_part(self, attempt, counts):
        self._note("finish_part", counts.imported, counts.rejected.total())
        return PartEnd(True, ImportState.COMPLETED, True, 1.5)

    def fail_part(self, attempt, code, detail):
        self._note("fail_part", code, detail)
        return PartEnd(True, ImportState.FAILED, True, 1.5)

    def cancel_part(self, attempt):
        self._note("cancel_part")
        return PartEnd(True, ImportState.CANCELLED, True, 1.5)

    def postpone_part(self, attempt, *, away):
        self._note("postpone_part", "away" if away else "stopped")
        return self.retries


class FakeMetrics:
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

    def part_postponed(self):
        self.seen.append("postponed")

    def imports_queued_again(self, count):
        self.seen.append(("queued again", count))

    def objects_removed(self, count):
        self.seen.append(("removed", count))
