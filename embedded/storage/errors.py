"""What a client of Storage can be told, in the two forms that the real one has.

Most routes answer JSON with HTTP status 400, whatever ``statusCode`` inside says; the
resumable routes answer the status itself, with plain text.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass
class StorageError(Exception):
    """An answer that is an error.

    ``status`` is the true status, ``shown`` the HTTP status of the JSON form.
    """

    status: int
    code: str
    message: str
    error: str | None = None
    shown: int = 400

    def as_json(self) -> web.Response:
        """The form of all routes but the resumable ones."""
        body = {
            "statusCode": str(self.status),
            "error": self.error or self.code,
            "message": self.message,
            "code": self.code,
        }
        return web.json_response(body, status=self.shown)

    def as_text(self) -> web.Response:
        """The form of the resumable routes."""
        return web.Response(status=self.status, text=self.message)


def no_such_bucket() -> StorageError:
    """No bucket of that name, or none that this key may see."""
    return StorageError(404, "NoSuchBucket", "Bucket not found", "Bucket not found")


def no_such_key() -> StorageError:
    """No object of that name, or none that this key may see."""
    return StorageError(404, "NoSuchKey", "Object not found", "not_found")


def already_exists(code: str = "KeyAlreadyExists") -> StorageError:
    """The name is taken and the client did not ask to replace."""
    return StorageError(409, code, "The resource already exists", "Duplicate")


def access_denied(message: str) -> StorageError:
    """The token is bad, or its role may not do this."""
    return StorageError(403, "AccessDenied", message, "Unauthorized")


def not_permitted() -> StorageError:
    """What Postgres would say to a role without a policy on storage.objects."""
    return access_denied("new row violates row-level security policy")


def invalid_key(name: str) -> StorageError:
    """An object name with characters that Storage does not take."""
    return StorageError(400, "InvalidKey", f"Invalid key: {name}")


def invalid_bucket_name() -> StorageError:
    """A bucket name with characters that Storage does not take, or a long one."""
    return StorageError(400, "InvalidBucketName", "Bucket name invalid", "Invalid Input")


def bucket_not_empty() -> StorageError:
    """Only an empty bucket can be deleted."""
    message = "The bucket you tried to delete is not empty"
    return StorageError(409, "ResourceNotEmpty", message)


def invalid_range() -> StorageError:
    """A range that is malformed or begins past the end."""
    return StorageError(416, "InvalidRange", "invalid range provided", "invalid_range", shown=416)


def invalid_request(message: str) -> StorageError:
    """A body or parameter that is not as it should be."""
    return StorageError(400, "InvalidRequest", message)


def too_large() -> StorageError:
    """More than the bucket takes."""
    message = "The object exceeded the maximum allowed size"
    return StorageError(413, "EntityTooLarge", message, "Payload too large")


def invalid_mime_type(mime_type: str) -> StorageError:
    """A content type that the bucket does not take."""
    message = f"mime type {mime_type} is not supported"
    return StorageError(415, "InvalidMimeType", message, "invalid_mime_type")


def tus(status: int, message: str) -> StorageError:
    """An error of the tus protocol itself."""
    return StorageError(status, "TusError", message)


def no_room() -> StorageError:
    """The disk takes no more; the real one does not tell clients why either."""
    return StorageError(500, "InternalError", "Internal Server Error", "Internal", shown=500)


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Raise ``no_room`` for what the system raises then."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise no_room() from error
        raise


def no_such_upload() -> StorageError:
    """An upload URL that leads nowhere, or no longer."""
    return tus(404, "The file for this url was not found\n")


def upload_is_gone() -> StorageError:
    """An upload that became an object, which has been removed since."""
    return tus(410, "The file for this url no longer exists\n")
