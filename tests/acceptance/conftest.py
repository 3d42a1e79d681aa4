"""The complete importer, started by its real commands on the embedded stack."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from config.settings import Settings
from local.processes import PROJECT, service

ENDED = {"completed", "failed"}


@dataclass(frozen=True)
class Importer:
    """A running service with its Supabase; each test runs its own workers."""

    http: httpx.Client
    env: Mapping[str, str]
    folder: Path

    def post(self, contacts: list[dict[str, Any]], source: str = "acceptance") -> str:
        answer = self.http.post("/import", json={"source": source, "data": contacts})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobId"])

    def shown(self, job: str) -> dict[str, Any]:
        return self.http.get(f"/import/{job}").raise_for_status().json()

    def counts(self, job: str) -> tuple[int, int]:
        shown = self.shown(job)
        settled = shown["imported"] + shown["rejected"] + shown["skipped"]
        assert shown["records"] == settled
        return shown["imported"], shown["rejected"]

    def remove_object(self, job: str, ending: str = "json") -> None:
        key = self.env["SUPABASE_SERVICE_ROLE_KEY"]
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        url = f"{self.env['SUPABASE_URL']}/storage/v1/object/imports"
        prefixes = {"prefixes": [f"{job}.{ending}"]}
        httpx.request("DELETE", url, json=prefixes, headers=headers).raise_for_status()

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.env["DATABASE_URL"])
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m <command>`` with the environment of the stack."""
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=PROJECT,
            env=self.environment(**settings),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def settings(self) -> Settings:
        """Return the settings as its processes read them."""
        return Settings(**{name.lower(): value for name, value in self.env.items()})

    def environment(self, **settings: str) -> dict[str, str]:
        return {**os.environ, **self.env, **settings}


@pytest.fixture(scope="module")
def importer(embedded_env: Mapping[str, str]) -> Iterator[Importer]:
    with (
        tempfile.TemporaryDirectory() as name,
        service(embedded_env, Path(name) / "service.log") as (url, _),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield Importer(http, embedded_env, Path(name))


@pytest.fixture(scope="session")
def procfile() -> Mapping[str, list[str]]:
    """The commands of the Procfile by process type, as ``started`` runs them (``python -m``)."""
    return {name: ["deploy", *command[1:]] for name, (_, command) in procfile_lines().items()}


def procfile_lines() -> dict[str, tuple[dict[str, str], list[str]]]:
    """The variables and the command of each line of the Procfile, by process type."""
    found = {}
    for line in (PROJECT / "Procfile").read_text().splitlines():
        name, _, words = line.partition(": ")
        variables = dict(word.split("=", 1) for word in shlex.split(words) if "=" in word)
        command = shlex.split(words)[len(variables) :]
        assert command[0] == "./contacts-importer"
        found[name] = (variables, command)
    return found
