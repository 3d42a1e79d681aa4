"""One upload from its first byte to the queue, or to nothing at all."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from core.errors import MalformedInputError, PermanentError, TransientError
from core.ids import job_id
from service.intake.accept import Intake
from service.intake.buffers import CHUNK_BYTES
from service.intake.digest import Digest
from service.intake.options import Options
from service.intake.submission import Submission
from service.problems import ProblemError
from service.repository import ExistingImport, NewImport
from service.splitting.envelope import EnvelopeSplitter
from tests.unit.service.fakes import FakeRepository, FakeStorage, Lost, away, refused

SMALL = [b'{"source":"s","data":[', b'{"name":"a"},', b'{"name":"b"}]}']
RECORD = b'{"name":"' + b"x" * 65_000 + b'"}'
LARGE = [b'{"source":"s","data":[', *[RECORD + b","] * 200, RECORD + b"]}"]
SIZES = pytest.mark.parametrize("pieces", [SMALL, LARGE], ids=["small", "large"])


@pytest.fixture
def storage() -> FakeStorage:
    return FakeStorage()


async def each(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


def submission(
    pieces: AsyncIterator[bytes],
    source: str | Exception | None = None,
    options: Options | None = None,
) -> Submission:
    splitter, receipt = EnvelopeSplitter(CHUNK_BYTES, 2**20), Digest()

    async def tell() -> str:
        if isinstance(source, Exception):
            raise source
        return source or splitter.source

    return Submission(receipt.noting(pieces), splitter, tell, receipt, options or Options())


def intake_of(storage: FakeStorage, repository: FakeRepository, deadline: float = 30) -> Intake:
    return Intake(storage, repository, deadline=deadline)  # type: ignore[arg-type]


@SIZES
async def test_a_good_submission_is_stored_then_recorded(storage, pieces):
    repository = FakeRepository()
    new = await intake_of(storage, repository).accept(submission(each(pieces)))
    content = b"".join(pieces)[21:-1]
    assert storage.objects == {f"{job_id(new.id)}.json": content}
    assert repository.imports == {new.id: new}
    assert (new.source, new.object) == ("s", f"{job_id(new.id)}.json")
    assert new.split.bytes == len(content)
    sent = b"".join(pieces)
    assert (new.receipt.bytes, new.receipt.sha256) == (len(sent), sha256(sent).hexdigest())
    assert repository.discarded == []


async def test_each_import_has_an_id_of_its_own(storage):
    intake = intake_of(storage, FakeRepository())
    first, second = [await intake.accept(submission(each(SMALL))) for _ in range(2)]
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
async def test_a_body_that_breaks_off_leaves_nothing(storage, pieces, error):
    repository = FakeRepository()
    with pytest.raises(type(error)):
        await intake_of(storage, repository).accept(submission(breaking_off(pieces, error)))
    assert storage.is_empty
    assert (storage.count("create_upload") == 1) == (pieces is LARGE)
    assert repository.imports == {}


@SIZES
async def test_a_malformed_body_leaves_nothing(storage, pieces):
    repository = FakeRepository()
    with pytest.raises(MalformedInputError, match=r"nothing may follow|JSON"):
        await intake_of(storage, repository).accept(submission(each([*pieces, b"!"])))
    assert storage.is_empty
    assert repository.imports == {}


@SIZES
async def test_a_source_that_cannot_be_told_leaves_nothing(storage, pieces):
    repository = FakeRepository()
    wrong = ProblemError("source_missing", "x")
    with pytest.raises(ProblemError):
        await intake_of(storage, repository).accept(submission(each(pieces), wrong))
    assert storage.is_empty
    assert repository.imports == {}


@pytest.mark.parametrize(
    ("pieces", "method"), [(SMALL, "put"), (LARGE, "create_upload"), (LARGE, "append")]
)
@pytest.mark.parametrize("error", [away(), refused()])
async def test_a_storage_that_fails_leaves_nothing(storage, pieces, method, error):
    storage.always[method] = error
    with pytest.raises(type(error)):
        await intake_of(storage, FakeRepository(), 0.09).accept(submission(each(pieces)))
    assert storage.count(method) >= 1
    assert storage.is_empty


@SIZES
@pytest.mark.parametrize("recorded", [True, False])
async def test_an_import_of_which_the_answer_is_lost_is_taken_back(storage, pieces, recorded):
    repository = FakeRepository(error=away("database"), records_first=recorded)
    with pytest.raises(TransientError):
        await intake_of(storage, repository).accept(submission(each(pieces)))
    assert len(repository.discarded) == 1
    assert repository.imports == {}
    assert storage.is_empty


@SIZES
async def test_an_import_that_a_worker_has_begun_is_accepted_though_no_answer_came(storage, pieces):
    repository = FakeRepository(error=away("database"), records_first=True)
    repository.begun = True

    new = await intake_of(storage, repository).accept(submission(each(pieces)))

    assert list(repository.imports) == [new.id]
    assert list(storage.objects) == [new.object]


async def test_an_import_that_is_refused_for_good_was_not_recorded(storage):
    repository = FakeRepository(error=refused("database"))
    with pytest.raises(PermanentError):
        await intake_of(storage, repository).accept(submission(each(SMALL)))
    assert repository.discarded == []
    assert storage.is_empty


async def test_an_import_that_never_reached_the_database_is_not_looked_for(storage):
    repository = FakeRepository(error=away("database", not_committed=True))
    with pytest.raises(TransientError):
        await intake_of(storage, repository).accept(submission(each(SMALL)))
    assert repository.discarded == []
    assert storage.is_empty


@SIZES
async def test_an_object_is_kept_until_it_is_known_whether_it_is_an_imports(storage, pieces):
    repository = FakeRepository(error=away("database"), records_first=True)
    repository.discard_error = away("database")
    intake = intake_of(storage, repository)
    with pytest.raises(TransientError):
        await intake.accept(submission(each(pieces)))
    assert len(storage.objects) == len(repository.imports) == 1
    repository.discard_error = None
    await intake.close()
    assert repository.imports == {}
    assert storage.is_empty


async def test_undoing_that_fails_does_not_hide_why_it_was_needed(storage):
    repository = FakeRepository(error=away("database"))
    repository.discard_error = away("database")
    storage.always["remove"] = away()
    with pytest.raises(TransientError) as caught:
        await intake_of(storage, repository, 0.09).accept(submission(each(SMALL)))
    assert caught.value.upstream == "database"


@pytest.mark.parametrize("impatient", [False, True])
async def test_cancelling_mid_way_undoes_also_when_nobody_waits_for_it(storage, impatient):
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
    request = asyncio.create_task(intake.accept(submission(pieces())))
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


async def test_cancelling_while_the_import_is_recorded_takes_it_back(storage):
    recorded = asyncio.Event()
    repository = FakeRepository()
    create_import = repository.create_import

    async def record_and_hang(new: object) -> None:
        await create_import(new)
        recorded.set()
        await asyncio.Event().wait()

    repository.create_import = record_and_hang
    intake = intake_of(storage, repository)
    request = asyncio.create_task(intake.accept(submission(each(SMALL))))
    await recorded.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert repository.imports == {}
    assert storage.is_empty


async def test_closing_waits_for_nothing_where_nothing_is_undone(storage):
    intake = intake_of(storage, FakeRepository())
    await intake.accept(submission(each(SMALL)))
    await intake.close()
    assert storage.count("remove") == 0


async def test_lost_answers_do_not_reach_the_client(storage):
    storage.faults["append"] = deque([away(), Lost(), away()])
    new = await intake_of(storage, FakeRepository()).accept(submission(each(LARGE)))
    assert storage.objects[new.object] == b"".join(LARGE)[21:-1]


async def answer(intake: Intake, pieces: AsyncIterator[bytes]) -> NewImport | ExistingImport:
    """As a handler does."""
    intake.begin()
    return await intake.accept(submission(pieces))


async def test_draining_waits_for_what_is_on_its_way(storage):
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


async def test_draining_does_not_wait_for_ever(storage):
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


KEYED = Options("key")


@SIZES
async def test_a_known_key_is_answered_with_its_import_and_nothing_is_stored(storage, pieces):
    repository = FakeRepository()
    intake = intake_of(storage, repository)
    first = await intake.accept(submission(each(pieces), options=KEYED))
    calls = len(storage.calls)

    again = await intake.accept(submission(each(pieces), options=KEYED))

    assert isinstance(again, ExistingImport)
    assert again.id == first.id
    assert list(repository.imports) == [first.id]
    assert len(storage.calls) == calls


@SIZES
async def test_of_two_at_once_the_first_one_recorded_stays(storage, pieces):
    repository = FakeRepository()
    intake = intake_of(storage, repository)
    both = [intake.accept(submission(each(pieces), options=KEYED)) for _ in range(2)]

    found = await asyncio.gather(*both)

    [recorded] = repository.imports.values()
    assert {one.id for one in found} == {recorded.id}
    assert sorted(isinstance(one, ExistingImport) for one in found) == [False, True]
    assert list(storage.objects) == [recorded.object]
    assert not storage.uploads


OTHERS = [
    pytest.param([*SMALL, b" "], None, KEYED, id="bytes"),
    pytest.param(SMALL, "t", KEYED, id="source"),
    pytest.param(SMALL, None, Options("key", dry_run=True), id="dry run"),
    pytest.param(SMALL, None, Options("key", asked=("map=a:name",)), id="option"),
]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(("pieces", "source", "options"), OTHERS)
async def test_a_key_is_good_for_one_thing(storage, pieces, source, options, at_once):
    repository = FakeRepository()
    intake = intake_of(storage, repository)
    first = intake.accept(submission(each(SMALL), options=KEYED))
    other = intake.accept(submission(each(pieces), source, options))
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


async def test_what_is_taken_back_while_it_is_sent_again_has_to_be_sent_once_more(storage):
    repository = FakeRepository()
    intake = intake_of(storage, repository)
    first = await intake.accept(submission(each(SMALL), options=KEYED))

    async def pieces() -> AsyncIterator[bytes]:
        yield b"".join(SMALL)
        await repository.discard_import(first.id, 1)

    with pytest.raises(TransientError):
        await intake.accept(submission(pieces(), options=KEYED))
    assert repository.imports == {}
    assert isinstance(await intake.accept(submission(each(SMALL), options=KEYED)), NewImport)


async def test_a_key_of_a_request_that_was_refused_may_be_used_again(storage):
    repository = FakeRepository()
    intake = intake_of(storage, repository)
    with pytest.raises(MalformedInputError):
        await intake.accept(submission(each([*SMALL, b"!"]), options=KEYED))
    new = await intake.accept(submission(each(SMALL), options=KEYED))
    assert list(repository.imports) == [new.id]


async def test_an_object_too_many_that_cannot_be_removed_is_left_to_the_sweep(storage):
    storage.always["remove"] = away()
    repository = FakeRepository()
    intake = intake_of(storage, repository, 0.09)
    both = [intake.accept(submission(each(SMALL), options=KEYED)) for _ in range(2)]
    found = await asyncio.gather(*both)
    assert len({one.id for one in found}) == 1
    assert len(storage.objects) == 2
