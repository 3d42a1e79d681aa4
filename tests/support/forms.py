"""Multipart forms (RFC 7578), valid and invalid."""

BOUNDARY = "----b0undary"


def field(
    name: str,
    content: bytes,
    filename: str | None = None,
    content_type: str | None = None,
    extra: bytes = b"",
) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename else ""
    head += f"\r\nContent-Type: {content_type}" if content_type else ""
    return head.encode() + (b"\r\n" + extra if extra else b"") + b"\r\n\r\n" + content + b"\r\n"


SOURCE = field("source", b"s")
CSV_FILE = field("file", b"name,email\na,b\n", "contacts.csv", "text/csv")
JSON_FILE = field("file", b"[1,2]", "contacts.json", "application/json")


def form(fields: list[bytes]) -> tuple[bytes, str]:
    """Return the body of a form and its content type."""
    line = b"--" + BOUNDARY.encode()
    body = b"".join(line + b"\r\n" + each for each in fields) + line + b"--\r\n"
    return body, f"multipart/form-data; boundary={BOUNDARY}"
