"""Facts of Storage's buckets."""

import uuid

import pytest


@pytest.fixture
def bucket(storage):
    made = f"contract-{uuid.uuid4().hex}"
    yield made
    storage.client.delete(f"/bucket/{made}")


def test_bucket_is_private_by_default(storage, bucket):
    answer = storage.client.post("/bucket", json={"id": bucket, "name": bucket})
    assert answer.json() == {"name": bucket}
    got = storage.client.get(f"/bucket/{bucket}").json()
    assert (got["id"], got["name"], got["public"]) == (bucket, bucket, False)
    listed = {each["id"]: each for each in storage.client.get("/bucket").json()}
    assert listed[bucket]["type"] == "STANDARD"
    assert "type" not in got


def test_create_bucket_that_exists_is_a_conflict(storage, bucket):
    storage.client.post("/bucket", json={"id": bucket, "name": bucket})
    again = storage.client.post("/bucket", json={"id": bucket, "name": bucket})
    assert (again.status_code, again.json()["statusCode"]) == (400, "409")
    assert again.json()["error"] == "Duplicate"


def test_a_missing_bucket_is_400_with_404_inside(storage, bucket):
    got = storage.client.get(f"/bucket/{bucket}")
    assert (got.status_code, got.json()["statusCode"]) == (400, "404")
    assert got.json()["code"] == "NoSuchBucket"


def test_only_an_empty_bucket_can_be_removed(storage, bucket):
    storage.client.post("/bucket", json={"id": bucket, "name": bucket})
    storage.client.post(f"/object/{bucket}/x", content=b"x")
    rejected = storage.client.delete(f"/bucket/{bucket}")
    assert (rejected.status_code, rejected.json()["statusCode"]) == (400, "409")
    storage.client.request("DELETE", f"/object/{bucket}", json={"prefixes": ["x"]})
    assert storage.client.delete(f"/bucket/{bucket}").status_code == 200
    assert storage.client.get(f"/bucket/{bucket}").status_code == 400


def test_a_bucket_keeps_its_size_limit(storage, bucket):
    limit = {"id": bucket, "name": bucket, "file_size_limit": 10}
    storage.client.post("/bucket", json=limit).raise_for_status()
    rejected = storage.client.post(f"/object/{bucket}/x", content=b"x" * 11)
    assert (rejected.status_code, rejected.json()["statusCode"]) == (400, "413")


def test_status_is_200(storage):
    assert storage.client.get("/status").status_code == 200
