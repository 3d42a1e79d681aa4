"""Intake.accept: split, store, record and queue one import, or roll it back."""

import asyncio
import gzip
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256

import pytest

from core.errors import MalformedInputError, PermanentError, TransientError
from core.ids import job_id
from core.reading.options import ReadingOptions
from core.reading.plan import Field
from core.reading.sniffing import Kind
from core.zstandard import zstd
from service.intake.accept import Intake, _steps
from service.intake.body import Body
from service.intake.buffers import CHUNK_BYTES
from service.intake.limits import Limits
from service.intake.options import ImportOptions
from service.intake.request import ImportRequest
from service.problems import ProblemError
from service.repository import ExistingImport, NewImport
from tests.unit.service.fakes import FakeRepository, FakeStorage, Lost, away, refused

SMALL = [b'{"source":"s","data":[', b'{"name":"a"},', b'{"name":"b"}]}']
RECORD = b'{"name":"' + b"x" * 65_000 + b'"}'
LARGE = [b'{"source":"s","data":[', *[RECORD + b","] * 200, RECORD + b"]}"]
SIZES = pytest.mark.parametrize("pieces", [SMALL, LARGE], ids=["small", "large"])
NAMED = ImportOptions(source="s")
LIMITS = Limits(body_bytes=2**30, record_bytes=2**20, part_bytes=CHUNK_BYTES)


@pytest.fixture
def storage() -> FakeStorage:
    return FakeStorage()


async def each(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


def submission(
    pieces: AsyncIterator[bytes], *, options: ImportOptions | None = None, **request: object
) -> tuple[ImportRequest, Body]:
    """The request and the body of an envelope."""
    options = options or ImportOptions()
    return (
        ImportRequest(Kind.JSON_ENVELOPE, options, **request),  # type: ignore[arg-type]
        Body(pieces, None, LIMITS),
    )


def intake_of(storage: FakeStorage, repository: FakeRepository, deadline: float = 30) -> Intake:
    return Intake(storage, repository, LIMITS, deadline=deadline)  # type: ignore[arg-type]


@SIZES
async def test_accept_stores_the_object_and_records_the_import(storage, pieces):
    repository = FakeRepository()
    new = await intake_of(storage, repository).accept(*submission(each(pieces)))
    content = b"".join(pieces)[21:-1]
    assert storage.objects == {f"{job_id(new.id)}.json": content}
    assert repository.imports == {new.id: new}
    assert (new.source, new.object) == ("s", f"{job_id(new.id)}.json")
    assert new.split.bytes == len(content)
    sent = b"".join(pieces)
    assert (new.digest.bytes, new.digest.sha256) == (len(sent), sha256(sent).hexdigest())
    assert repository.discarded == []


KINDS = {
    Kind.CSV: (b"name\nAda\n", b"name\nAda\n"),
    Kind.NDJSON: (b'{"name":"Ada"}\n', b'{"name":"Ada"}\n'),
    Kind.JSON_ARRAY: (b"[1]", b"[1]"),
    Kind.JSON_ENVELOPE: (b'{"data":[1],"source":"s"}', b"[1]"),
}


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
@pytest.mark.parametrize("kind", KINDS)
async def test_accept_stores_each_kind_decompressed(storage, kind, compression):
    text, stored = KINDS[kind]
    compress = {"gzip": gzip.compress, "zstd": zstd.compress}.get(compression, bytes)
    sent = compress(text)
    request = ImportRequest(kind, NAMED, compression)
    body = Body(each([sent[:9], sent[9:]]), compression, LIMITS)
    new = await intake_of(storage, FakeRepository()).accept(request, body)
    assert storage.objects == {new.object: stored}
    assert new.object.endswith(f".{kind.format}")
    assert (new.source, new.split.format, new.split.records) == ("s", kind.format, 1)


@pytest.mark.parametrize("text", [b'{"data":[1]}', b'{"data":[1],"source":"s"}'])
async def test_the_query_may_name_the_source_of_an_envelope(storage, text):
    new = await intake_of(storage, FakeRepository()).accept(
        *submission(each([text]), options=NAMED)
    )
    assert new.source == "s"


async def test_different_sources_in_query_and_envelope_are_rejected(storage):
    other = submission(each([b'{"source":"t","data":[]}']), options=NAMED)
    with pytest.raises(MalformedInputError) as caught:
        await intake_of(storage, FakeRepository()).accept(*other)
    assert caught.value.code == "source_invalid"


async def test_accept_reads_csv_as_the_request_says(storage):
    text = "Nom|x;y\nZoë|1\n"
    reading = ReadingOptions(
        encoding="windows-1252", delimiter="|", mapping=(("Nom", Field.NAME),), no_email=True
    )
    options = ImportOptions("s", reading=reading)
    body = Body(each([text.encode("cp1252")]), None, LIMITS)
    new = await intake_of(storage, FakeRepository()).accept(ImportRequest(Kind.CSV, options), body)
    assert storage.objects[new.object] == text.encode()
    assert new.split.plan.places.name == (0,)
    assert new.split.plan.csv.delimiter == "|"


async def test_accept_gives_each_import_its_own_id(storage):
    intake = intake_of(storage, FakeRepository())
    first, second = [await intake.accept(*submission(each(SMALL))) for _ in range(2)]
    assert first.id != second.id
    assert set(storage.objects) == {first.object, second.object}


async def breaking_off(pieces: list[bytes], error: BaseException) -> AsyncIterator[bytes]:
    for piece in pieces[:-1]:
        yield piece
        await asyncio.sleep(0)
    raise error


@SIZES
@pytest.mark.parametrize(
    "error", [ProblemError("truncated_body", "x"), RuntimeError("a bug"), asyncio.CancelledError()]
)
async def test_a_truncated_body_leaves_nothing(storage, pieces, error):
    repository = FakeRepository()
    with pytest.raises(type(error)):
        await intake_of(storage, repository).accept(*submission(breaking_off(pieces, error)))
    assert storage.is_empty
    assert (storage.count("create_upload") == 1) == (pieces is LARGE)
    assert repository.imports == {}


@SIZES
async def test_a_malformed_body_leaves_nothing(storage, pieces):
    repository = FakeRepository()
    with pytest.raises(MalformedInputError, match=r"nothing may follow|JSON"):
        await intake_of(storage, repository).accept(*submission(each([*pieces, b"!"])))
    assert storage.is_empty
    assert repository.imports == {}


class FormWithoutSource(Body):
    async def trailing_source(self) -> str | None:
        return None


class BrokenForm(Body):
    async def trailing_source(self) -> str | None:
        raise ProblemError("malformed_multipart", "x")


@SIZES
@pytest.mark.parametrize(
    ("form", "code"), [(FormWithoutSource, "source_missing"), (BrokenForm, "malformed_multipart")]
)
async def test_a_form_without_a_source_after_its_file_leaves_nothing(storage, pieces, form, code):
    repository = FakeRepository()
    array = [b"[", *pieces[1:-1], pieces[-1][:-1]]
    request = ImportRequest(Kind.JSON_ARRAY, ImportOptions(), is_file=True)
    with pytest.raises(ProblemError) as caught:
        await intake_of(storage, repository).accept(request, form(each(array), None, LIMITS))
    assert caught.value.code == code
    assert storage.is_empty
    assert repository.imports == {}


@pytest.mark.parametrize(
    ("pieces", "method"), [(SMALL, "put"), (LARGE, "create_upload"), (LARGE, "append")]
)
@pytest.mark.parametrize("error", [away(), refused()])
async def test_a_storage_error_leaves_nothing(storage, pieces, method, error):
    storage.always[method] = error
    with pytest.raises(type(error)):
        await intake_of(storage, FakeRepository(), 0.09).accept(*submission(each(pieces)))
    assert storage.count(method) >= 1
    assert storage.is_empty


@SIZES
@pytest.mark.parametrize("recorded", [True, False])
async def test_an_import_whose_recording_is_uncertain_is_rolled_back(storage, pieces, recorded):
    repository = FakeRepository(error=away("database"), records_first=recorded)
    with pytest.raises(TransientError):
        await intake_of(storage, repository).accept(*submission(each(pieces)))
    assert len(repository.discarded) == 1
    assert repository.imports == {}
    assert storage.is_empty


@SIZES
async def test_an_import_that_a_worker_has_begun_is_accepted_without_answers(storage, pieces):
    repository = FakeRepository(error=away("database"), records_first=True)
    repository.begun = True

    new = await intake_of(storage, repository).accept(*submission(each(pieces)))

    assert list(repository.imports) == [new.id]
    assert list(storage.objects) == [new.object]


async def test_after_a_permanent_error_nothing_is_discarded(storage):
    repository = FakeRepository(error=refused("database"))
    with pytest.raises(PermanentError):
        await intake_of(storage, repository).accept(*submission(each(SMALL)))
    assert repository.discarded == []
    assert storage.is_empty


async def test_an_import_that_was_certainly_not_committed_is_not_discarded(storage):
    repository = FakeRepository(error=away("database", not_committed=True))
    with pytest.raises(TransientError):
        await intake_of(storage, repository).accept(*submission(each(SMALL)))
    assert repository.discarded == []
    assert storage.is_empty


@SIZES
async def test_a_pending_rollback_keeps_the_object_until_the_database_answers(storage, pieces):
    repository = FakeRepository(error=away("database"), records_first=True)
    repository.discard_error = away("database")
    intake = intake_of(storage, repository)
    with pytest.raises(TransientError):
        await intake.accept(*submission(each(pieces)))
    assert len(storage.objects) == len(repository.imports) == 1
    repository.discard_error = None
    await intake.close()
    assert repository.imports == {}
    assert storage.is_empty


async def test_a_failed_rollback_does_not_hide_the_error_before_it(storage):
    repository = FakeRepository(error=away("database"))
    repository.discard_error = away("database")
    storage.always["remove"] = away()
    with pytest.raises(TransientError) as caught:
        await intake_of(storage, repository, 0.09).accept(*submission(each(SMALL)))
    assert caught.value.upstream == "database"


@pytest.mark.parametrize("impatient", [False, True])
async def test_a_cancelled_request_is_rolled_back_even_if_nobody_waits_for_it(storage, impatient):
    """As when the client goes, and then the service is stopped."""
    more, undoing, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    cancel_upload = storage.cancel_upload

    async def slowly(upload: str) -> None:
        undoing.set()
        await go_on.wait()
        await cancel_upload(upload)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in LARGE[:-1]:
            yield piece
            await asyncio.sleep(0)
        more.set()
        await asyncio.Event().wait()

    storage.cancel_upload = slowly
    intake = intake_of(storage, FakeRepository())
    request = asyncio.create_task(intake.accept(*submission(pieces())))
    await more.wait()
    request.cancel()
    await undoing.wait()
    if impatient:
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    go_on.set()
    await intake.close()
    assert storage.is_empty
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_a_request_that_is_cancelled_while_it_is_recorded_is_rolled_back(storage):
    recorded = asyncio.Event()
    repository = FakeRepository()
    create_import = repository.create_import

    async def record_and_hang(new: object) -> None:
        await create_import(new)
        recorded.set()
        await asyncio.Event().wait()

    repository.create_import = record_and_hang
    intake = intake_of(storage, repository)
    request = asyncio.create_task(intake.accept(*submission(each(SMALL))))
    await recorded.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert repository.imports == {}
    assert storage.is_empty


async def test_close_returns_at_once_without_rollbacks(storage):
    intake = intake_of(storage, FakeRepository())
    await intake.accept(*submission(each(SMALL)))
    await intake.close()
    assert storage.count("remove") == 0


async def test_lost_answers_of_storage_do_not_fail_the_request(storage):
    storage.faults["append"] = deque([away(), Lost(), away()])
    new = await intake_of(storage, FakeRepository()).accept(*submission(each(LARGE)))
    assert storage.objects[new.object] == b"".join(LARGE)[21:-1]


async def answer(intake: Intake, pieces: AsyncIterator[bytes]) -> NewImport | ExistingImport:
    """As a handler does."""
    intake.register_request()
    return await intake.accept(*submission(pieces))


async def test_drain_waits_for_running_requests(storage):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield SMALL[0]
        begun.set()
        await go_on.wait()
        yield SMALL[2]

    repository = FakeRepository()
    intake = intake_of(storage, repository)
    request = asyncio.create_task(answer(intake, pieces()))
    await begun.wait()
    draining = asyncio.create_task(intake.drain(60))
    await asyncio.sleep(0)
    assert intake.draining
    assert not draining.done()
    go_on.set()
    await draining
    assert repository.imports == {(await request).id: await request}


async def test_drain_has_a_time_limit(storage):
    begun = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        begun.set()
        await asyncio.Event().wait()
        yield b""

    intake = intake_of(storage, FakeRepository())
    request = asyncio.create_task(answer(intake, pieces()))
    await begun.wait()
    await intake.drain(0)
    assert not request.done()
    request.cancel()
    await asyncio.wait([request])
    await intake.drain(60)


@SIZES
async def test_a_known_idempotency_key_returns_its_import_and_stores_nothing(storage, pieces):
    repository = FakeRepository()
    intake = intake_of(storage, repository)
    first = await intake.accept(*submission(each(pieces), idempotency_key="key"))
    calls = len(storage.calls)

    again = await intake.accept(*submission(each(pieces), idempotency_key="key"))

    assert isinstance(again, ExistingImport)
    assert again.id == first.id
    assert list(repository.imports) == [first.id]
    assert len(storage.calls) == calls


@SIZES
async def test_of_two_concurrent_requests_with_one_idempotency_key_one_is_recorded(storage, pieces):
    repository = FakeRepository()
    intake = intake_of(storage, repository)
    both = [intake.accept(*submission(each(pieces), idempotency_key="key")) for _ in range(2)]

    found = await asyncio.gather(*both)

    [recorded] = repository.imports.values()
    assert {one.id for one in found} == {recorded.id}
    assert sorted(isinstance(one, ExistingImport) for one in found) == [False, True]
    assert list(storage.objects) == [recorded.object]
    assert not storage.uploads


WITHOUT_SOURCE = [b'{"data":[', *SMALL[1:]]
OTHERS = [
    pytest.param([*WITHOUT_SOURCE, b" "], NAMED, (), id="bytes"),
    pytest.param(WITHOUT_SOURCE, ImportOptions(source="t"), (), id="source"),
    pytest.param(WITHOUT_SOURCE, ImportOptions(source="s", dry_run=True), (), id="dry run"),
    pytest.param(WITHOUT_SOURCE, NAMED, ("map=a:name",), id="option"),
]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(("pieces", "options", "compared"), OTHERS)
async def test_an_idempotency_key_cannot_be_used_for_another_request(
    storage, pieces, options, compared, at_once
):
    repository = FakeRepository()
    intake = intake_of(storage, repository)
    first = intake.accept(*submission(each(WITHOUT_SOURCE), options=NAMED, idempotency_key="key"))
    other = intake.accept(
        *submission(each(pieces), options=options, idempotency_key="key", compared=compared)
    )
    if at_once:  # either of them may be the first that is recorded
        both = await asyncio.gather(first, other, return_exceptions=True)
        new, refused = sorted(both, key=lambda one: isinstance(one, ProblemError))
    else:
        [new] = await asyncio.gather(first)
        [refused] = await asyncio.gather(other, return_exceptions=True)
    assert isinstance(refused, ProblemError)
    assert refused.code == "idempotency_key_reused"
    assert isinstance(new, NewImport)
    assert list(storage.objects) == [new.object]
    assert list(repository.imports) == [new.id]


async def test_a_request_whose_existing_import_is_rolled_back_meanwhile_must_be_sent_again(storage):
    repository = FakeRepository()
    intake = intake_of(storage, repository)
    first = await intake.accept(*submission(each(SMALL), idempotency_key="key"))

    async def pieces() -> AsyncIterator[bytes]:
        for piece in LARGE:
            yield piece
        await repository.discard_import(first.id, 1)

    with pytest.raises(TransientError):
        await intake.accept(*submission(pieces(), idempotency_key="key"))
    assert repository.imports == {}
    assert isinstance(
        await intake.accept(*submission(each(SMALL), idempotency_key="key")), NewImport
    )


async def test_the_idempotency_key_of_a_rejected_request_may_be_used_again(storage):
    repository = FakeRepository()
    intake = intake_of(storage, repository)
    with pytest.raises(MalformedInputError):
        await intake.accept(*submission(each([*SMALL, b"!"]), idempotency_key="key"))
    new = await intake.accept(*submission(each(SMALL), idempotency_key="key"))
    assert list(repository.imports) == [new.id]


async def test_a_duplicate_object_that_cannot_be_removed_is_left_to_the_sweep(storage):
    storage.always["remove"] = away()
    repository = FakeRepository()
    intake = intake_of(storage, repository, 0.09)
    both = [intake.accept(*submission(each(LARGE), idempotency_key="key")) for _ in range(2)]
    found = await asyncio.gather(*both)
    assert len({one.id for one in found}) == 1
    assert len(storage.objects) == 2


async def test_a_first_step_that_may_be_slow_is_taken_in_a_thread():
    def steps() -> Iterator[bytes]:
        for _ in range(3):
            yield threading.current_thread().name.encode()

    main = threading.current_thread().name.encode()
    slow = [name async for name in _steps(steps(), slowly=True)]
    assert slow[0] != main
    assert slow[1:] == [main] * 2
    assert [name async for name in _steps(steps(), slowly=False)] == [main] * 3
    assert [name async for name in _steps(iter(()), slowly=True)] == []
