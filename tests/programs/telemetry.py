"""An app with OpenTelemetry's SDK: a span, a counter and a log record over OTLP, then nothing."""

import time

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

traces = TracerProvider()
traces.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
with traces.get_tracer("app").start_as_current_span("work"):
    pass

metrics = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
metrics.get_meter("app").create_counter("orders").add(3)
metrics.force_flush()

logs = LoggerProvider()
logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter()))
logs.get_logger("app").emit(body="ready", severity_number=SeverityNumber.INFO)

time.sleep(1000)
