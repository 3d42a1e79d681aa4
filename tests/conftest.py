"""What all tests share: a Supabase to run against."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from embedded.keys import Secrets
from embedded.launch import running

NEEDED = ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL")


@pytest.fixture(scope="session")
def embedded_env() -> Iterator[Mapping[str, str]]:
    """The embedded stack, on a fresh folder and free ports, for the whole session."""
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as stack:
        secrets = Secrets.kept_in(Path(data) / "secrets.json")
        yield {**stack, "SUPABASE_JWT_SECRET": secrets.jwt_secret}


@pytest.fixture(scope="session")
def supabase_env(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The Supabase that the environment names, or else the embedded one."""
    if all(os.environ.get(name) for name in NEEDED):
        return {name: value for name, value in os.environ.items() if value}
    env: Mapping[str, str] = request.getfixturevalue("embedded_env")
    return env
