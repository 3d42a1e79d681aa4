"""What Storage answers to bodies that its schemas do not allow, and how it coerces others."""

import uuid

import pytest


def message_of(response) -> str:
    """Return the message of an error of the schema checks."""
    body = response.json()
    assert response.status_code == 400
    assert (body["statusCode"], body["error"], body["code"]) == ("400", "Error", "InvalidRequest")
    return body["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "body must have required property 'prefix'"),
        ([], "body must be object"),
        ({"prefix": {}}, "body/prefix must be string"),
        ({"prefix": "", "limit": 0}, "body/limit must be >= 1"),
        ({"prefix": "", "limit": None}, "body/limit must be >= 1"),
        ({"prefix": "", "limit": "x"}, "body/limit must be integer"),
        ({"prefix": "", "limit": 1.5}, "body/limit must be integer"),
        ({"prefix": "", "offset": -1}, "body/offset must be >= 0"),
        ({"prefix": "", "search": {}}, "body/search must be string"),
        ({"prefix": "", "sortBy": 5}, "body/sortBy must be object"),
        ({"prefix": "", "sortBy": {}}, "body/sortBy must have required property 'column'"),
        (
            {"prefix": "", "sortBy": {"column": "x"}},
            "body/sortBy/column must be equal to one of the allowed values",
        ),
    ],
)
def test_a_list_is_asked_for_by_a_valid_body(storage, body, message):
    answer = storage.client.post(f"/object/list/{storage.bucket}", json=body)
    assert message_of(answer) == message


def test_numbers_and_null_are_coerced(storage, name):
    storage.upload(name, b"x")
    for prefix in ({"prefix": None}, {"prefix": ""}):
        body = {**prefix, "limit": "1", "offset": None}
        answer = storage.client.post(f"/object/list/{storage.bucket}", json=body)
        assert [type(entry["id"]) for entry in answer.json()] == [str]
    assert storage.client.post(f"/object/list/{storage.bucket}", json={"prefix": 5}).json() == []


def test_the_body_is_checked_before_the_token(storage):
    invalid = {"Authorization": "Bearer x"}
    path = f"/object/list/{storage.bucket}"
    assert "'prefix'" in message_of(storage.client.post(path, json={}, headers=invalid))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "Body is not valid JSON but content-type is set to 'application/json'"),
        (b"", "Body cannot be empty when content-type is set to 'application/json'"),
    ],
)
def test_a_body_that_is_not_json(storage, content, message):
    json_type = {"Content-Type": "application/json"}
    path = f"/object/list/{storage.bucket}"
    answer = storage.client.post(path, content=content, headers=json_type)
    assert answer.status_code == 400
    assert (answer.json()["error"], answer.json()["message"]) == ("FastifyError", message)


def test_a_body_of_another_type_is_ignored(storage):
    path = f"/object/list/{storage.bucket}"
    text = {"Content-Type": "text/plain"}
    answer = storage.client.post(path, content=b'{"prefix": ""}', headers=text)
    assert message_of(answer) == "body must be object"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "body must have required property 'prefixes'"),
        ({"prefixes": []}, "body/prefixes must NOT have fewer than 1 items"),
        ({"prefixes": [{}]}, "body/prefixes/0 must be string"),
    ],
)
def test_what_to_remove_is_a_list_of_names(storage, body, message):
    answer = storage.client.request("DELETE", f"/object/{storage.bucket}", json=body)
    assert message_of(answer) == message


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"public": "maybe"}, "body/public must be boolean"),
        ({"file_size_limit": "x"}, "body/file_size_limit must match a schema in anyOf"),
        ({"file_size_limit": -1}, "body/file_size_limit must match a schema in anyOf"),
        ({"type": "X"}, "body/type must be equal to one of the allowed values"),
    ],
)
def test_a_bucket_is_made_with_valid_limits(storage, limits, message):
    body = {"name": f"contract-{uuid.uuid4().hex}", **limits}
    assert message_of(storage.client.post("/bucket", json=body)).endswith(message)


def test_a_bucket_has_a_name(storage):
    name = "body must have required property 'name'"
    assert message_of(storage.client.post("/bucket", json={})) == name
    assert message_of(storage.client.post("/bucket", json={"name": {}})).endswith("must be string")


def test_content_types_of_a_bucket_are_valid(storage):
    body = {"name": f"contract-{uuid.uuid4().hex}", "allowed_mime_types": ["image"]}
    answer = storage.client.post("/bucket", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidMimeType")


def test_an_update_of_a_bucket_changes_something(storage):
    answer = storage.client.put(f"/bucket/{storage.bucket}", json={})
    assert message_of(answer).endswith("body must match a schema in anyOf")


def test_a_request_without_a_token(storage):
    headers = {"Authorization": "", "apikey": ""}
    path = f"/object/list/{storage.bucket}"
    answer = storage.client.post(path, json={"prefix": ""}, headers=headers)
    assert answer.status_code in {400, 401}
