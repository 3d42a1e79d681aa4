"""What the metrics of the service and of the workers have in common."""

import platform
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.version import VERSION

NAMESPACE: Final = "contacts_importer"
"""How the names of all metrics begin, except those that each Python process has."""


class BuildInfo(Collector):
    """Shows which version runs."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the one metric, whose labels have the versions."""
        family = GaugeMetricFamily(
            f"{NAMESPACE}_build_info",
            "The version of the importer and of Python; always 1.",
            labels=["version", "python"],
        )
        family.add_metric([VERSION, platform.python_version()], 1)
        yield family

    describe = collect
