import jwt
import pytest

from embedded.errors import StackError
from embedded.keys import Secrets
from embedded.migrations import migrations_in
from embedded.ports import free_port, listen
from embedded.storage.bucket_limits import parse_size
from embedded.storage.catalog import Bucket, Stored
from embedded.storage.errors import StorageError
from embedded.storage.listing import LIST, Query, list_folder


def test_secrets_are_created_once_and_private(tmp_path):
    path = tmp_path / "secrets.json"
    made = Secrets.load_or_create(path)
    assert Secrets.load_or_create(path) == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert len({made.jwt_secret, made.admin_password, made.postgres_password}) == 3


def test_an_api_key_names_its_role_and_never_changes():
    secrets = Secrets()
    key = secrets.api_key("service_role")
    claims = jwt.decode(key, secrets.jwt_secret, algorithms=["HS256"])
    assert (claims["role"], claims["iss"]) == ("service_role", "supabase")
    assert secrets.api_key("service_role") == key != secrets.api_key("anon")


def test_migrations_in_sorts_and_ignores_other_files(tmp_path):
    for name in ("20_b.sql", "10_a_b.sql", "notes.sql", "30_c.txt", "x_d.sql"):
        (tmp_path / name).touch()
    found = [(each.version, each.name) for each in migrations_in(tmp_path)]
    assert found == [("10", "a_b"), ("20", "b")]


def test_migrations_in_a_missing_folder_is_empty(tmp_path):
    assert migrations_in(tmp_path / "missing") == []


def test_listen_on_a_used_port():
    with listen("127.0.0.1", requested=0, default=1) as taken:
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", requested=None, default=port) != port
        with pytest.raises(StackError, match=f"Port {port}"):
            free_port("127.0.0.1", requested=port, default=port)
    assert free_port("127.0.0.1", requested=port, default=1) == port


@pytest.mark.parametrize(
    ("text", "size"),
    [("20MB", 20_000_000), ("1.5kb", 1500), ("7b", 7), ("2GB", 2_000_000_000), (".5MB", 500_000)],
)
def test_sizes_are_decimal(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "x MB", "20", "-1MB", "²MB", "٣MB", ".MB", "9" * 400 + "MB"]
)
def test_parse_size_rejects_other_texts(text):
    with pytest.raises(StorageError):
        parse_size(text)


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize("value", ["²", "", "seven", "nan", "1e999", -1, 1.5, [7, 7], {"a": 7}])
def test_query_rejects_invalid_limits(name, value):
    with pytest.raises(StorageError) as caught:
        LIST.coerced({"prefix": "", name: value})
    assert caught.value.status == 400


@pytest.fixture
def bucket() -> Bucket:
    names = ("a", "b", "in/c", "in/d/e", "other/f")
    made = Bucket("b")
    for number, name in enumerate(names):
        when = f"2026-01-0{9 - number}T00:00:00.000Z"
        made.objects[name] = Stored("b", name, "0", 1, "", "", created_at=when, updated_at=when)
    return made


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"prefix": ""}, ["a", "b", "in", "other"]),
        ({"prefix": "in"}, ["c", "d"]),
        ({"prefix": "in/"}, ["c", "d"]),
        ({"prefix": "i"}, []),
        ({"prefix": "", "search": "o"}, ["other"]),
        ({"prefix": "", "limit": 2, "offset": 1}, ["b", "in"]),
        ({"prefix": "", "sortBy": {"column": "name", "order": "desc"}}, ["other", "in", "b", "a"]),
    ],
)
def test_a_folder_is_listed_one_level_deep(bucket, body, names):
    bucket.objects = {
        name: Stored("b", name, "00000000-0000-4000-8000-000000000000", 1, "", "")
        for name in bucket.objects
    }
    assert [
        entry["name"] for entry in list_folder(bucket, Query.parse(LIST.coerced(body)))
    ] == names
