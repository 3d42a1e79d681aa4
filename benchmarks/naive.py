"""``python -m benchmarks.naive FILE``: the obvious first implementation, as a baseline.

ijson reads the records, supabase-py inserts a thousand at a time, and each waits for the other.
There is no validation, no queue and no retry. Prints the seconds, without the start of the process.
"""

import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson
from supabase import Client, ClientOptions

from benchmarks.contacts import SOURCE

BATCH = 1000


def main() -> int:
    """Import the file into ``contacts`` of the Supabase in the environment."""
    options = ClientOptions(auto_refresh_token=False, persist_session=False)
    client = Client(os.environ["SUPABASE_URL"], os.environ["SUPABASE_SERVICE_ROLE_KEY"], options)
    client.table("contacts").select("id").limit(1).execute()  # connected, as ours is
    begun = time.monotonic()
    for batch in _batches(Path(sys.argv[1])):
        client.table("contacts").insert(batch, returning="minimal").execute()  # type: ignore[arg-type]
    sys.stdout.write(f"{time.monotonic() - begun}\n")
    return 0


def _batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    with path.open("rb") as file:
        records = ijson.items(file, "data.item")
        while batch := [_row(record) for record in itertools.islice(records, BATCH)]:
            yield batch


def _row(record: dict[str, Any]) -> dict[str, Any]:
    return {"name": record["name"], "email": record["email"], "source": SOURCE}


if __name__ == "__main__":
    sys.exit(main())
