"""Whether a process of this machine answers, for the health checks of containers."""

import http.client
from typing import Final

from config.settings import HealthSettings

_SECONDS: Final = 4.0
_OK: Final = 200
_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- nothing is bound here


def is_healthy(process: str, settings: HealthSettings) -> bool:
    """Whether ``web`` answers at ``/healthz``, or ``worker`` with its metrics, within 4 seconds."""
    if process == "web":
        return _answers(settings.host, settings.port, "/healthz")
    return _answers(settings.dramatiq_prom_host, settings.dramatiq_prom_port, "/metrics")


def _answers(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(_ANY_ADDRESS.get(host, host), port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == _OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
