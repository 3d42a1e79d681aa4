"""Checks before an upload, standard or resumable."""

from embedded.storage import errors
from embedded.storage.auth import Caller
from embedded.storage.catalog import Bucket


def may_upload(caller: Caller, bucket: Bucket, name: str, *, upsert: bool) -> None:
    """Raise StorageError for roles without a policy, and for objects that exist."""
    if not caller.may_all:
        raise errors.not_permitted()
    not_taken(bucket, name, upsert=upsert)


def not_taken(bucket: Bucket, name: str, *, upsert: bool) -> None:
    """Raise StorageError for an object that exists, unless it is to be replaced."""
    if name in bucket.objects and not upsert:
        raise errors.already_exists()


def mime_type_is_taken(bucket: Bucket, content_type: str) -> None:
    """Raise StorageError for content types that the bucket does not allow."""
    allowed = bucket.allowed_mime_types
    kind = content_type.split(";", 1)[0].strip()
    if allowed and kind not in allowed and f"{kind.partition('/')[0]}/*" not in allowed:
        raise errors.invalid_mime_type(content_type)
