"""Facts of Storage's signed URLs, to read and to upload."""

import time
import uuid

import httpx
import jwt
import pytest

HIDDEN = "Either the object does not exist or you do not have access to it"


def error_of(response) -> tuple[int, str, str]:
    return response.status_code, response.json()["statusCode"], response.json()["code"]


@pytest.fixture
def signed(storage, name) -> str:
    """A signed URL of an object."""
    storage.upload(name, b"hello", **{"Content-Type": "text/plain"}).raise_for_status()
    return sign(storage, name).json()["signedURL"]


@pytest.fixture
def stranger(storage):
    """A client without a token."""
    with httpx.Client(base_url=storage.url, timeout=60) as client:
        yield client


def sign(storage, name, seconds=60, **headers):
    path = f"/object/sign/{storage.bucket}/{name}"
    return storage.client.post(path, json={"expiresIn": seconds}, headers=headers)


def sign_upload(storage, name, **headers):
    path = f"/object/upload/sign/{storage.bucket}/{name}"
    return storage.client.post(path, headers=headers)


def anonymous(key: str) -> dict[str, str]:
    return {"apikey": key, "Authorization": f"Bearer {key}"}


def test_a_signed_url_is_read_without_a_token(stranger, signed):
    got = stranger.get(signed)
    assert (got.status_code, got.content) == (200, b"hello")
    assert got.headers["Content-Type"].startswith("text/plain")
    assert got.headers["Expires"]
    ranged = stranger.get(signed, headers={"Range": "bytes=1-2"})
    assert (ranged.status_code, ranged.content) == (206, b"el")
    assert stranger.head(signed).headers["Content-Length"] == "5"


def test_a_signed_url_may_name_the_file(stranger, signed):
    named = stranger.get(f"{signed}&download=x.txt").headers["Content-Disposition"]
    assert named == "attachment; filename=x.txt; filename*=UTF-8''x.txt"


def test_a_token_is_for_one_object(storage, stranger, name, signed):
    other = f"other-{name}"
    storage.upload(other, b"other").raise_for_status()
    assert error_of(stranger.get(signed.replace(name, other, 1))) == (
        400,
        "400",
        "InvalidSignature",
    )


def test_a_token_must_be_valid(storage, stranger, signed):
    path, _, token = signed.partition("?token=")
    missing = stranger.get(path)
    assert error_of(missing) == (400, "400", "InvalidRequest")
    assert missing.json()["message"] == "querystring must have required property 'token'"
    head, _, signature = token.rpartition(".")
    changed = f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    for invalid in ("", "garbage", changed):
        assert error_of(stranger.get(f"{path}?token={invalid}")) == (400, "400", "InvalidJWT")
    with_key = stranger.get(f"{path}?token={storage.key}")
    assert error_of(with_key)[2] in {"InvalidSignature", "InvalidJWT"}


def test_a_token_expires(storage, supabase_env, stranger, signed):
    if "SUPABASE_JWT_SECRET" not in supabase_env:
        pytest.skip("SUPABASE_JWT_SECRET is not known")
    path, _, token = signed.partition("?token=")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 60
    past = {**claims, "iat": int(time.time()) - 60, "exp": int(time.time()) - 1}
    expired = jwt.encode(past, supabase_env["SUPABASE_JWT_SECRET"], algorithm="HS256")
    answer = stranger.get(f"{path}?token={expired}")
    assert error_of(answer) == (400, "400", "InvalidJWT")
    assert answer.json()["message"] == '"exp" claim timestamp check failed'


def test_the_object_of_a_signed_url_may_be_removed(storage, stranger, name, signed):
    storage.client.request("DELETE", f"/object/{storage.bucket}", json={"prefixes": [name]})
    assert error_of(stranger.get(signed)) == (400, "404", "NoSuchKey")


@pytest.mark.parametrize(
    ("seconds", "code", "message"),
    [
        (0, "InvalidRequest", "body/expiresIn must be >= 1"),
        ("x", "InvalidRequest", "body/expiresIn must be integer"),
        (10**15, "InvalidParameter", "Invalid Parameter expiresIn"),
    ],
)
def test_urls_expire_after_a_possible_time(storage, name, seconds, code, message):
    storage.upload(name, b"x")
    answer = sign(storage, name, seconds)
    assert error_of(answer) == (400, "400", code)
    assert answer.json()["message"] == message


def test_only_what_a_caller_may_read_is_signed(storage, name, anon_key):
    assert error_of(sign(storage, name)) == (400, "404", "NoSuchKey")
    storage.upload(name, b"x")
    assert error_of(sign(storage, name, **anonymous(anon_key))) == (400, "404", "NoSuchKey")


def test_many_urls_are_signed_at_once(storage, stranger, name, anon_key):
    storage.upload(name, b"x")
    body = {"expiresIn": "60", "paths": [name, "missing"]}
    first, second = storage.client.post(f"/object/sign/{storage.bucket}", json=body).json()
    assert (first["error"], first["path"]) == (None, name)
    assert stranger.get(first["signedURL"]).content == b"x"
    assert second == {"error": HIDDEN, "path": "missing", "signedURL": None}
    headers = anonymous(anon_key)
    hidden = storage.client.post(f"/object/sign/{storage.bucket}", json=body, headers=headers)
    assert [each["error"] for each in hidden.json()] == [HIDDEN, HIDDEN]


def test_a_signed_upload_is_stored_once(storage, stranger, name):
    answer = sign_upload(storage, name).json()
    assert answer["url"].endswith(f"?token={answer['token']}")
    csv = {"Content-Type": "text/csv"}
    stored = stranger.put(answer["url"], content=b"up", headers=csv)
    assert (stored.status_code, stored.json()) == (200, {"Key": f"{storage.bucket}/{name}"})
    again = stranger.put(answer["url"], content=b"again", headers=csv)
    assert error_of(again) == (400, "409", "KeyAlreadyExists")
    assert storage.read(name) == b"up"
    assert storage.client.get(storage.object(name)).headers["Content-Type"] == "text/csv"


def test_a_signed_upsert_replaces(storage, stranger, name):
    storage.upload(name, b"old")
    assert error_of(sign_upload(storage, name)) == (400, "409", "KeyAlreadyExists")
    url = sign_upload(storage, name, **{"x-upsert": "true"}).json()["url"]
    assert stranger.put(url, content=b"new").status_code == 200
    assert storage.read(name) == b"new"


def test_only_uploads_that_a_caller_may_make_are_signed(storage, name, anon_key):
    anon = sign_upload(storage, name, **anonymous(anon_key))
    assert error_of(anon) == (400, "403", "AccessDenied")
    path = f"/object/upload/sign/no-{uuid.uuid4().hex}/x"
    assert error_of(storage.client.post(path)) == (400, "404", "InvalidRequest")


def test_a_token_to_read_stores_nothing_and_one_to_upload_reads_nothing(
    storage, stranger, name, signed
):
    bucket = storage.bucket
    token = signed.partition("?token=")[2]
    stored = stranger.put(f"/object/upload/sign/{bucket}/{name}?token={token}", content=b"x")
    assert error_of(stored) == (400, "400", "InvalidSignature")
    token = sign_upload(storage, name, **{"x-upsert": "true"}).json()["token"]
    read = stranger.get(f"/object/sign/{bucket}/{name}?token={token}")
    assert error_of(read) == (400, "400", "InvalidSignature")
    assert storage.read(name) == b"hello"
