"""A receiver of OTLP over HTTP, as a collector has one: it reads the official protobufs."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace

KINDS: dict[str, tuple[Any, Any, str]] = {
    "/v1/traces": (
        trace.ExportTraceServiceRequest, trace.ExportTraceServiceResponse, "resource_spans",
    ),
    "/v1/metrics": (
        metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse,
        "resource_metrics",
    ),
    "/v1/logs": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse, "resource_logs"),
}  # fmt: skip
"""Request, response and the field with the resources, by path."""


class Received(NamedTuple):
    """One resource that was sent, with what belongs to it."""

    kind: str
    """`traces`, `metrics` or `logs`."""
    attributes: dict[str, str]
    """Of the resource."""
    message: Any
    """The protobuf: its spans, metrics or log records."""


class OtlpReceiver:
    """What has arrived at ``url``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.problems: list[str] = []
        self._received: list[Received] = []
        self._lock = threading.Lock()

    def add(self, path: str, body: bytes) -> bytes:
        """Take a request; return the response."""
        request_type, response_type, field = KINDS[path]
        request = request_type.FromString(body)
        with self._lock:
            self._received += [
                Received(path.rpartition("/")[2], _attributes(each.resource), each)
                for each in getattr(request, field)
            ]
        return response_type().SerializeToString()

    def received(self, kind: str) -> list[Received]:
        """Return what has arrived of a kind so far."""
        with self._lock:
            return [each for each in self._received if each.kind == kind]


def _attributes(resource: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in resource.attributes}


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Run a receiver on a free port of the loopback address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            try:
                answer = receiver.add(self.path, body)
            except Exception as error:  # noqa: BLE001 - a border: the test reports it
                receiver.problems.append(f"{self.path}: {error!r}")
                self.send_error(400)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name)
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = OtlpReceiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
