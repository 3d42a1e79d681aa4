"""Compares what is in Supabase after a fault with what was sent: nothing lost, doubled or left."""

import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.stack import ImporterStack, Sent
from tests.chaos.supervised_process import eventually
from tests.chaos.tables import Verdict

ENDED = ("completed", "failed")


@dataclass(frozen=True)
class Counts:
    """The outcomes of the records of some imports."""

    lost: int = 0
    doubled: int = 0
    contacts: int = 0
    rejections: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.contacts + other.contacts,
            self.rejections + other.rejections,
        )


@dataclass
class Audit:
    """The comparison for one run of one fault; ``verdict`` has its result."""

    stack: ImporterStack
    before: set[str] = field(default_factory=set)
    uploads_before: set[str] = field(default_factory=set)
    verdict: Verdict | None = None

    def begin(self) -> None:
        """Record which objects and uploads are there before the fault."""
        self.before = self.stack.objects()
        self.uploads_before = self.stack.uploads()

    def settle(
        self,
        sent: list[Sent],
        *,
        over_at: float,
        within: float = 60.0,
        failed: frozenset[str] = frozenset(),
        rejected: dict[str, dict[int, str]] | None = None,
        sweep: bool = False,
    ) -> Verdict:
        """Wait until all work has ended, and assert that the result is exactly what was sent.

        ``over_at`` is when the fault ended (monotonic), ``within`` the seconds from then in which
        the work must end. ``failed`` has the sources whose imports must fail, ``rejected`` further
        rejections by source, of records that only the database rejects. With ``sweep``, objects and
        unfinished uploads may be left that a sweep then removes.
        """
        accepted = [request for request in sent if request.status == 202]
        self._await_end(accepted, over_at + within)
        seconds = self._recovered(accepted, over_at)
        complete = [request for request in accepted if request.data.source not in failed]
        extra = rejected or {}
        counts = Counts()
        for request in complete:
            counts += self._compare(request, extra.get(request.data.source, {}))
        for request in accepted:
            if request.data.source in failed:
                self._assert_failed(request)
        self._assert_all_or_nothing(sent)
        left, unfinished = self._left(), self._unfinished()
        swept = len(left) + len(unfinished) if sweep else 0
        if swept:
            eventually(
                lambda: self.stack.sweep() and not self._left() and not self._unfinished(),
                "everything is swept",
            )
            left, unfinished = self._left(), self._unfinished()
        undone = self._await_messages()
        verdict = Verdict(
            imports=len(accepted),
            sent=sum(request.data.records for request in accepted),
            contacts=counts.contacts,
            rejections=counts.rejections,
            lost=counts.lost,
            doubled=counts.doubled,
            left=len(left) + len(unfinished) + len(undone),
            swept=swept,
            seconds=seconds,
        )
        self.verdict = verdict
        assert (verdict.lost, verdict.doubled) == (0, 0), verdict
        assert verdict.left == 0, (verdict, left, unfinished, undone)
        return verdict

    def _await_messages(self) -> list[tuple[object, ...]]:
        """Return the messages that stay undone.

        Between its end and its next try, a message that is tried again later is not on the queue.
        """
        query = "select state, message from dramatiq.queue where state <> 'done'"
        with contextlib.suppress(AssertionError):
            eventually(lambda: not self.stack.query(query), "all messages are done", 30.0)
        return self.stack.query(query)

    def _unfinished(self) -> set[str]:
        return self.stack.uploads() - self.uploads_before

    def _await_end(self, accepted: list[Sent], deadline: float) -> None:
        ids = [request.import_id for request in accepted]

        def ended() -> bool:
            states = self.stack.query(
                "select count(*) from imports where id = any(%s::uuid[]) and state = any(%s)",
                ids,
                list(ENDED),
            )
            messages = self.stack.query(
                "select count(*) from dramatiq.queue where state in ('queued', 'consumed')"
            )
            return states[0][0] == len(ids) and messages[0][0] == 0

        left = max(1.0, deadline - time.monotonic())
        try:
            eventually(ended, "all imports have ended and no message is left", left)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._stuck(ids)}") from None

    def _stuck(self, ids: list[str]) -> str:
        imports = self.stack.query(
            "select id, state from imports where id = any(%s::uuid[]) and state <> all(%s)",
            ids,
            list(ENDED),
        )
        parts = self.stack.query(
            "select import_id, part, state, open_attempts, retries, stops, failure "
            "from import_parts where state not in ('done') order by 1, 2 limit 20"
        )
        messages = self.stack.query(
            "select queue_name, state, mtime, message from dramatiq.queue "
            "where state in ('queued', 'consumed') limit 10"
        )
        return "\n".join(map(str, [*imports, *parts, *messages]))

    def _recovered(self, accepted: list[Sent], over_at: float) -> float:
        [(last,)] = self.stack.query(
            "select extract(epoch from max(finished_at))::float8 from imports "
            "where id = any(%s::uuid[])",
            [request.import_id for request in accepted],
        )
        over = time.time() - (time.monotonic() - over_at)
        return max(0.0, (last or over) - over)

    def _compare(self, request: Sent, extra: dict[int, str]) -> "Counts":
        """Return the counts of a completed import; asserts all but that none is lost or doubled."""
        [(state, records, imported, rejected)] = self.stack.query(
            "select i.state, i.records, sum(p.imported)::int, sum(p.rejected)::int "
            "from imports i join import_parts p on p.import_id = i.id "
            "where i.id = %s group by i.id",
            request.import_id,
        )
        assert state == "completed", (state, self._stuck([request.import_id]))
        expected = Counter(
            (name, email)
            for name, email in request.data.contacts
            if int(name.split()[1]) not in extra
        )
        rows = self.stack.query(
            "select id, name, email from contacts where source = %s", request.data.source
        )
        found = Counter((name, email) for _, name, email in rows)
        assert not found.keys() - expected.keys(), "contacts that were not sent"
        assert len({row[0] for row in rows}) == len(rows)
        assert (imported, rejected) == (len(expected), request.data.records - len(expected))
        assert records == request.data.records
        rejections = self.stack.query(
            "select record, code from import_rejections where import_id = %s", request.import_id
        )
        assert dict(rejections) == {**request.data.rejected, **extra}
        return Counts(
            (expected - found).total(), (found - expected).total(), len(rows), len(rejections)
        )

    def _assert_failed(self, request: Sent) -> None:
        [(shown,)] = self.stack.query("select get_import(%s::uuid)", request.import_id)
        assert shown["state"] == "failed", shown
        assert shown["failure"]["code"], shown
        assert shown["failure"]["detail"], shown

    def _assert_all_or_nothing(self, sent: list[Sent]) -> None:
        """Assert that a rejected request left nothing; one without answer, nothing or an import."""
        for request in sent:
            if request.status == 202:
                continue
            recorded = self.stack.query(
                "select id from imports where source = %s", request.data.source
            )
            if request.status != 0 or not recorded:
                contacts = self.stack.query(
                    "select count(*) from contacts where source = %s", request.data.source
                )
                assert (recorded, contacts) == ([], [(0,)]), request.status
                continue
            unanswered = Sent(request.data, 202, f"import-{recorded[0][0]}")
            self._await_end([unanswered], time.monotonic() + 30)
            counts = self._compare(unanswered, {})
            assert (counts.lost, counts.doubled) == (0, 0)

    def _left(self) -> set[str]:
        """Return objects without an import; asserts that no import is without its object.

        Those of imports that are undone, and those that have expired, are removed.
        """
        kept = "select object from imports where object_expired_at is null"
        known = {row[0] for row in self.stack.query(kept)}
        objects = self.stack.objects()
        assert known <= objects, "objects are gone"
        return objects - known - self.before
