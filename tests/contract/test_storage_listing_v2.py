"""Facts of Storage's lists with a cursor."""

import pytest

NAMES = ["a.bin", "b.bin", "d.bin", "d/e.bin", "d/f/g.bin", "z.bin"]


@pytest.fixture(scope="module")
def filled(storage):
    """The storage with objects in folders, stored in the reverse order of their names."""
    for name in reversed(NAMES):
        storage.upload(f"v2/{name}", b"x").raise_for_status()
    yield storage
    prefixes = {"prefixes": [f"v2/{name}" for name in NAMES]}
    storage.client.request("DELETE", f"/object/{storage.bucket}", json=prefixes)


def page(storage, headers=None, **query):
    path = f"/object/list-v2/{storage.bucket}"
    return storage.client.post(path, json={"prefix": "v2/", **query}, headers=headers)


def names(answer) -> list[str]:
    return [entry["name"].removeprefix("v2/") for entry in answer["objects"]]


def pages(storage, **query):
    """Yield all pages, asking for each by the cursor of the one before."""
    answer = page(storage, **query).raise_for_status().json()
    yield answer
    while answer["hasNext"]:
        query |= {"cursor": answer["nextCursor"]}
        answer = page(storage, **query).raise_for_status().json()
        yield answer


def test_all_objects_with_a_prefix_are_listed_by_name(filled):
    answer = page(filled).json()
    assert names(answer) == NAMES
    assert (answer["hasNext"], answer["folders"]) == (False, [])
    assert answer["objects"][0]["metadata"]["size"] == 1
    assert "nextCursor" not in answer


def test_folders_are_listed_apart(filled):
    answer = page(filled, with_delimiter=True).json()
    assert names(answer) == ["a.bin", "b.bin", "d.bin", "z.bin"]
    assert [(folder["name"], folder["key"]) for folder in answer["folders"]] == [("v2/d/", "d")]
    inside = page(filled, prefix="v2/d/", with_delimiter=True).json()
    assert names(inside) == ["d/e.bin"]
    assert inside["objects"][0]["key"] == "e.bin"
    assert [folder["name"] for folder in inside["folders"]] == ["v2/d/f/"]


@pytest.mark.parametrize("column", ["name", "created_at", "updated_at"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_follow_each_other_in_any_order(filled, column, order):
    sort = {"column": column, "order": order}
    found = [name for each in pages(filled, limit=2, sortBy=sort) for name in names(each)]
    entries = page(filled).json()["objects"]
    entries.sort(key=lambda entry: (entry[column], entry["name"]), reverse=order == "desc")
    assert found == names({"objects": entries})


def test_each_folder_is_on_one_page(filled):
    found = list(pages(filled, limit=1, with_delimiter=True))
    assert [len(each["objects"]) + len(each["folders"]) for each in found] == [1] * 5
    assert [folder["name"] for each in found for folder in each["folders"]] == ["v2/d/"]
    assert [name for each in found for name in names(each)] == ["a.bin", "b.bin", "d.bin", "z.bin"]


def test_nothing_is_listed_of_what_a_caller_may_not_read(filled, anon_key):
    empty = {"hasNext": False, "folders": [], "objects": []}
    headers = {"apikey": anon_key, "Authorization": f"Bearer {anon_key}"}
    assert page(filled, headers).json() == empty
    assert filled.client.post("/object/list-v2/no-such-bucket", json={}).json() == empty


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"cursor": "???"}, "InvalidParameter", "Invalid Parameter continuation token"),
        ({"limit": 0}, "InvalidRequest", "body/limit must be >= 1"),
        ({"with_delimiter": "x"}, "InvalidRequest", "body/with_delimiter must be boolean"),
    ],
)
def test_queries_that_are_not_valid(filled, query, code, message):
    answer = page(filled, **query)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["message"] == message
