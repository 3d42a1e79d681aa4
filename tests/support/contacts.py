"""Request bodies of any size; large ones are generated while they are sent."""

import json
from collections.abc import Iterator

from tests.support.traces import SOURCE

MIB = 2**20


def json_array(size: int, *, first: int = 0) -> bytes:
    """Return a JSON array of contacts of about ``size`` bytes."""
    return b"".join(json_array_pieces(size, first=first))


def json_array_pieces(size: int, *, first: int = 0) -> Iterator[bytes]:
    sent, number = 1, first
    yield b"["
    while sent < size:
        contacts = [contact(number + at) for at in range(1000)]
        piece = json.dumps(contacts, ensure_ascii=False)[1:-1].encode()
        yield (b", " if sent > 1 else b"") + piece
        sent += len(piece)
        number += 1000
    yield b"]"


def contact(number: int) -> dict[str, object]:
    name = f'Zoë "]}}" Nº {number}\n'
    return {"name": name, "email": f"zoe{number}@example.com", "tags": ["a]", {"b": number}]}


def envelope(array: bytes) -> bytes:
    return json.dumps({"source": SOURCE}).encode()[:-1] + b', "data": ' + array + b"}"


def csv_file(size: int) -> bytes:
    """Return a CSV file of about ``size`` bytes; each row quotes a comma, quotes and a line end."""
    row = '"Zoë ""the""\r\ngreat, {0}",zoe{0}@example.com,{0}\r\n'
    rows = "".join(row.format(number) for number in range(max(1, size // 55)))
    return b"Full Name,E-Mail,Id\r\n" + rows.encode()
