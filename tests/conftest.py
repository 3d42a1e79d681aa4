"""What all tests share: a Supabase to run against, and how a session is reported."""

import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from embedded.keys import Secrets
from embedded.launch import running
from tests.chaos.tables import FAULTS, HOSTILE, render_faults, render_hostile
from tests.support.session_tables import SessionTables

# How long an example takes is not asserted: machines are busy.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

NEEDED = ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL")
SEED = os.environ.setdefault("CHAOS_SEED", secrets.token_hex(4))
"""Of the chaos tests; in the environment, since worker processes of pytest-xdist inherit that."""
LONGEST_ID = 60
IS_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def pytest_configure(config: pytest.Config) -> None:
    """Print the tables of the chaos tests at the end; check the options."""
    if _names_supabase() and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(
            "Tests that run in parallel must not share a Supabase: use WORKERS=0, or unset "
            f"{', '.join(NEEDED)}."
        )
    tables = {
        FAULTS: (f"chaos, CHAOS_SEED={SEED}", render_faults),
        HOSTILE: ("hostile requests: memory over an idle service, longest step", render_hostile),
    }
    config.pluginmanager.register(SessionTables(tables))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Give the same ids to the same parameters in each process, as pytest-xdist needs.

    Random ids are left out, and bytes that are not text, such as gzip with the time in its header.
    """
    if isinstance(val, str) and IS_UUID.search(val):
        return IS_UUID.sub("uuid", val)
    if isinstance(val, bytes) and not (val.isascii() and len(val) <= LONGEST_ID):
        return argname
    return None


@pytest.fixture(scope="session")
def embedded_env() -> Iterator[Mapping[str, str]]:
    """The embedded stack, on a new folder and free ports, for the whole session."""
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as stack:
        keys = Secrets.load_or_create(Path(data) / "secrets.json")
        yield {**stack, "SUPABASE_JWT_SECRET": keys.jwt_secret}


@pytest.fixture(scope="session")
def supabase_env(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The Supabase that the environment names, or else the embedded one."""
    if _names_supabase():
        return {name: value for name, value in os.environ.items() if value}
    env: Mapping[str, str] = request.getfixturevalue("embedded_env")
    return env


def _names_supabase() -> bool:
    return all(os.environ.get(name) for name in NEEDED)
