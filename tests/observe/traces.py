"""Traces in memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.observe import tracing


@contextmanager
def traces_in_memory() -> Iterator[InMemorySpanExporter]:
    """Yield the spans of the gateways that are made and run in the block."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "TracerProvider", lambda **_: provider)
        patch.setattr(tracing.Tracing, "open", lambda self: None)
        yield exporter
