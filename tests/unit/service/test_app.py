"""How the application begins: with which keys."""

from pathlib import Path
from typing import Any

import pytest
import structlog

from config.settings import Settings
from service.app import _read_keys
from service.keys.api_key import make_key
from service.keys.scopes import Scope


def settings(**chosen: Any) -> Settings:
    needed = {
        "supabase_url": "http://127.0.0.1:1",
        "supabase_service_role_key": "k",
        "database_url": "postgresql://u:p@h/db",
        "allowed_hosts": "*",
    }
    return Settings(**needed | chosen)


async def logged(chosen: Settings) -> list[tuple[str, str]]:
    with structlog.testing.capture_logs() as lines:
        await _read_keys(chosen)
    return [(line["log_level"], line["event"].partition(":")[0]) for line in lines]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "import.example.com"])
async def test_a_public_service_without_keys_warns(host):
    assert await logged(settings(host=host)) == [("warning", "no API keys")]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
async def test_a_service_for_this_machine_needs_no_keys(host):
    assert await logged(settings(host=host)) == []


async def test_the_number_of_keys_is_logged(tmp_path: Path):
    path = tmp_path / "keys"
    path.write_text(make_key("crm", [Scope.READ])[1].line)
    assert await logged(settings(host="::", api_keys_file=path)) == [("info", "API keys read")]
