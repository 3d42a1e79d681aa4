"""All metrics that the service and the workers can have, from their registries."""

from collections.abc import Iterable, Iterator
from typing import Any
from unittest.mock import AsyncMock

from prometheus_client import REGISTRY

from core.monitoring import BuildInfo
from service.metrics import ServiceMetrics
from service.upstream_metrics import UpstreamMetrics
from tests.support.metrics_format import PREFIX

Described = tuple[str, list[str]]
"""Type and label names."""


def service_metrics() -> dict[str, Described]:
    """Metrics of the service, by the names that samples have (without those of a histogram)."""
    metrics = ServiceMetrics()
    metrics.registry.register(UpstreamMetrics(AsyncMock(), AsyncMock()))
    return dict(_described(metrics.registry._collector_to_names))


def worker_metrics() -> dict[str, Described]:
    """The same of the workers."""
    import tasks.metrics  # noqa: PLC0415 -- it registers its metrics where the process has them

    assert tasks.metrics
    return dict(_described([*REGISTRY._collector_to_names, BuildInfo()]))


def _described(collectors: Iterable[Any]) -> Iterator[tuple[str, Described]]:
    for collector in collectors:
        if hasattr(collector, "_labelnames"):
            families = [(collector._name, collector._type, collector._labelnames)]
        elif hasattr(collector, "describe"):
            families = [(one.name, one.type, one._labelnames) for one in collector.describe()]
        else:
            continue  # of each Python process
        for name, kind, labels in families:
            if name.startswith(PREFIX):
                yield (f"{name}_total" if kind == "counter" else name), (kind, list(labels))
