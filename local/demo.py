"""``make demo``: two imports, from the upload to the rows in the table, with all counts."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import aiohttp
from postgrest import APIResponse, CountMethod
from supabase import AsyncClient, AsyncClientOptions

from embedded.launch import postgres_version, running
from local.contacts import json_body
from local.ports import free_port
from local.processes import PROJECT, WORKERS, service, started, worker_environment

CONTACTS: Final = 100_000
_SAMPLE: Final = PROJECT / "local" / "sample.csv"
_SAMPLE_COUNTS: Final = {"records": 12, "imported": 9, "rejected": 3}
_JSON_COUNTS: Final = {"records": CONTACTS, "imported": CONTACTS, "rejected": 0}
_PART_BYTES: Final = 1024 * 1024
"""Smaller than the default, so that there is progress to show."""
_TIMEOUT_SECONDS: Final = 300.0
_ENDED: Final = {"completed", "failed"}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Result:
    shown: dict[str, Any]
    seconds: float
    expected: dict[str, int]

    @property
    def right(self) -> bool:
        """Whether the import is completed and all counts are right."""
        counts = {key: self.shown[key] for key in self.expected}
        return self.shown["state"] == "completed" and counts == self.expected


def run_demo(say: Say) -> bool:
    """Start everything on free ports, import, and show the result; returns whether it is right."""
    with tempfile.TemporaryDirectory(prefix="contacts-importer-") as name, ExitStack() as stack:
        folder = Path(name)
        say("Starting Supabase (Postgres, PostgREST, Storage), the service and two workers ...")
        supabase = stack.enter_context(running(folder / "supabase"))
        settings = {**supabase, "PART_BYTES": str(_PART_BYTES)}
        url, _ = stack.enter_context(service(settings, folder / "service.log"))
        workers = worker_environment(supabase, folder / "metrics", free_port())
        stack.enter_context(started(list(WORKERS), workers, folder / "workers.log"))
        postgres = postgres_version(supabase["DATABASE_URL"])
        say(f"  Supabase at {supabase['SUPABASE_URL']} on Postgres {postgres}")
        say(f"  the service at {url}\n")
        right = asyncio.run(_import_and_show(url, dict(supabase), say))
        say("Stopping everything ...")
    return right


async def _import_and_show(url: str, supabase: dict[str, str], say: Say) -> bool:
    async with aiohttp.ClientSession(url) as session:
        say(f"POST /import: {CONTACTS:,} generated contacts as JSON")
        generated = await _import(session, say, _JSON_COUNTS, json=CONTACTS)
        say(f"POST /import: {_SAMPLE.name} as a multipart form")
        sample = await _import(session, say, _SAMPLE_COUNTS, file=_SAMPLE)
    client = AsyncClient(
        supabase["SUPABASE_URL"],
        supabase["SUPABASE_SERVICE_ROLE_KEY"],
        AsyncClientOptions(auto_refresh_token=False, persist_session=False),
    )
    for result in (generated, sample):
        await _show(client, result, say)
    return await _show_contacts(client, say) and generated.right and sample.right


async def _import(
    session: aiohttp.ClientSession,
    say: Say,
    expected: dict[str, int],
    **what: Any,  # noqa: ANN401
) -> _Result:
    started = time.monotonic()
    async with session.post("/import", **_request(**what)) as response:
        accepted = await response.json(content_type=None)
        if response.status != 202:
            raise SystemExit(f"The import was rejected: {accepted}")
    say(f"  202 Accepted after {time.monotonic() - started:.2f} s: {accepted['jobId']}")
    shown = await _follow(session, response.headers["Location"], say)
    return _Result(shown, time.monotonic() - started, expected)


def _request(*, json: int = 0, file: Path | None = None) -> dict[str, Any]:
    if file is None:
        body = json_body("demo-generator", json)
        return {"data": body, "headers": {"Content-Type": "application/json"}}
    form = aiohttp.FormData({"source": "demo-crm"})
    form.add_field("file", file.read_bytes(), filename=file.name, content_type="text/csv")
    return {"data": form}


async def _follow(session: aiohttp.ClientSession, location: str, say: Say) -> dict[str, Any]:
    shown_line = ""
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while True:
            async with session.get(location) as response:
                shown: dict[str, Any] = await response.json()
            line = (
                f"  {shown['state']:<10} {shown['imported'] + shown['rejected']:>9,} of "
                f"{shown['records']:,} records, {shown['parts']['done']} of "
                f"{shown['parts']['total']} parts"
            )
            if line != shown_line:
                say(line)
                shown_line = line
            if shown["state"] in _ENDED:
                say("")
                return shown
            await asyncio.sleep(0.1)


async def _show(client: AsyncClient, result: _Result, say: Say) -> None:
    shown = result.shown
    rate = shown["records"] / result.seconds
    say(f"{shown['jobId']}: {shown['state']}, source {shown['source']!r}")
    say(
        f"  {shown['records']:,} records = {shown['imported']:,} imported + "
        f"{shown['rejected']:,} rejected, {shown['bytes']:,} bytes, {result.seconds:.2f} s from "
        f"POST to {shown['state']} ({rate:,.0f} records/s)"
    )
    import_id = shown["jobId"].removeprefix("import-")
    found = await (
        client.table("import_rejections")
        .select("record,code,message,content")
        .eq("import_id", import_id)
        .order("record")
        .limit(5)
        .execute()
    )
    for row in _rows(found):
        say(f"  record {row['record']}: {row['code']}: {row['message']}")
        say(f"      {row['content']}")
    say("  all counts are right" if result.right else f"  WRONG: not {result.expected}")
    say("")


def _rows(found: APIResponse) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", found.data)


async def _show_contacts(client: AsyncClient, say: Say) -> bool:
    expected = _JSON_COUNTS["imported"] + _SAMPLE_COUNTS["imported"]
    found = await (
        client.table("contacts")
        .select("*", count=CountMethod.exact)
        .order("id", desc=True)
        .limit(5)
        .execute()
    )
    say(f"{found.count:,} rows in contacts, the last five:")
    for row in _rows(found):
        say(f"  {row['id']}  {row['name']!r:<28} {row['email']!r:<36} {row['source']}")
    say("")
    if found.count != expected:
        say(f"WRONG: {expected:,} contacts should be there.")
    return found.count == expected
