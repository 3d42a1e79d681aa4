"""The whole importer, to be hurt. Its parts are small, so that small imports have several."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from local.processes import service
from tests.acceptance.conftest import Importer, procfile

__all__ = ["procfile"]


@pytest.fixture(scope="module")
def importer(request: pytest.FixtureRequest, embedded_env: Mapping[str, str]) -> Iterator[Importer]:
    environment = {**embedded_env, "PART_BYTES": getattr(request.module, "PART_BYTES", "1024")}
    with (
        tempfile.TemporaryDirectory() as name,
        service(environment, Path(name) / "service.log") as (url, _),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield Importer(http, embedded_env, Path(name))
