"""The errors of Storage, in the two forms that the real one has.

Most routes answer JSON with HTTP status 400, whatever its ``statusCode`` says; the resumable routes
answer the status itself, as plain text.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass
class StorageError(Exception):
    """An error as an answer.

    ``status`` is the actual status, ``shown`` the HTTP status of the JSON form.
    """

    status: int
    code: str
    message: str
    error: str | None = None
    shown: int = 400

    def as_json(self) -> web.Response:
        """Return the answer of all routes except for the resumable ones."""
        body = {
            "statusCode": str(self.status),
            "error": self.error or self.code,
            "message": self.message,
            "code": self.code,
        }
        return web.json_response(body, status=self.shown)

    def as_text(self) -> web.Response:
        """Return the answer of the resumable routes."""
        return web.Response(status=self.status, text=self.message)


def no_such_bucket() -> StorageError:
    """There is no bucket of that name, or the caller may not see it."""
    return StorageError(404, "NoSuchBucket", "Bucket not found", "Bucket not found")


def no_such_key() -> StorageError:
    """There is no object of that name, or the caller may not see it."""
    return StorageError(404, "NoSuchKey", "Object not found", "not_found")


def already_exists(code: str = "KeyAlreadyExists") -> StorageError:
    """The object exists, and the client did not ask to replace it."""
    return StorageError(409, code, "The resource already exists", "Duplicate")


def access_denied(message: str) -> StorageError:
    """The token is invalid, or its role may not do this."""
    return StorageError(403, "AccessDenied", message, "Unauthorized")


def not_permitted() -> StorageError:
    """The error of Postgres for a role without a policy on storage.objects."""
    return access_denied("new row violates row-level security policy")


def invalid_key(name: str) -> StorageError:
    """The object name has characters that Storage does not accept."""
    return StorageError(400, "InvalidKey", f"Invalid key: {name}")


def invalid_bucket_name() -> StorageError:
    """The bucket name is too long, or has characters that Storage does not accept."""
    return StorageError(400, "InvalidBucketName", "Bucket name invalid", "Invalid Input")


def bucket_not_empty() -> StorageError:
    """Only an empty bucket can be deleted."""
    message = "The bucket you tried to delete is not empty"
    return StorageError(409, "ResourceNotEmpty", message)


def invalid_range() -> StorageError:
    """The range is malformed or starts after the end."""
    return StorageError(416, "InvalidRange", "invalid range provided", "invalid_range", shown=416)


def invalid_request(message: str) -> StorageError:
    """The body or a parameter is invalid."""
    return StorageError(400, "InvalidRequest", message)


def invalid_body(message: str) -> StorageError:
    """The body, the query or a header is not of the type that the route asks for."""
    return StorageError(400, "InvalidRequest", message, "Error")


def malformed_body(message: str) -> StorageError:
    """The body cannot be parsed."""
    return StorageError(400, "InvalidRequest", message, "FastifyError")


def invalid_parameter(message: str) -> StorageError:
    """A value is of the right type, but cannot be used."""
    return StorageError(400, "InvalidParameter", message)


def no_related_resource() -> StorageError:
    """The bucket to write to does not exist."""
    return StorageError(404, "InvalidRequest", "The related resource does not exist")


def invalid_jwt(message: str) -> StorageError:
    """The token of a signed URL is malformed, expired, or signed by someone else."""
    return StorageError(400, "InvalidJWT", message)


def invalid_signature(message: str = "Invalid signature") -> StorageError:
    """The token of a signed URL is valid, but for something else."""
    return StorageError(400, "InvalidSignature", message)


def too_large() -> StorageError:
    """The object is larger than the bucket allows."""
    message = "The object exceeded the maximum allowed size"
    return StorageError(413, "EntityTooLarge", message, "Payload too large")


def invalid_mime_type(mime_type: str) -> StorageError:
    """The bucket does not allow this content type."""
    message = f"mime type {mime_type} is not supported"
    return StorageError(415, "InvalidMimeType", message, "invalid_mime_type")


def tus(status: int, message: str) -> StorageError:
    """An error of the tus protocol itself."""
    return StorageError(status, "TusError", message)


def disk_full() -> StorageError:
    """The disk is full; like the real one, this does not tell clients why."""
    return StorageError(500, "InternalError", "Internal Server Error", "Internal", shown=500)


@contextmanager
def disk_full_errors() -> Iterator[None]:
    """Translate the system's errors for a full disk into ``disk_full``."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise disk_full() from error
        raise


def no_such_upload() -> StorageError:
    """The upload URL is unknown or has expired."""
    return tus(404, "The file for this url was not found\n")


def invalid_upload_id() -> StorageError:
    """The last part of the URL is not the id of an upload."""
    return StorageError(400, "InvalidUploadId", "Invalid upload id")


def upload_is_gone() -> StorageError:
    """The upload became an object, which has been removed since."""
    return tus(410, "The file for this url no longer exists\n")
