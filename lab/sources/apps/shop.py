"""An app that does what it is told on its standard input and tells of it by the OpenTelemetry SDK.

`save N`, `fail CODE N`, and `flush`, which is answered when the exporter is done. SIGNAL says how it tells: metrics, logs or spans.
"""

import os
import sys
import time

from opentelemetry.sdk.resources import Resource

DURATION_MS = 640
RESOURCE = Resource.create({"service.instance.id": os.environ.get("INSTANCE", str(os.getpid()))})


class Metrics:
    def __init__(self):
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        self.provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], RESOURCE)
        meter = self.provider.get_meter("shop")
        self.failed = meter.create_counter("saves.failed")
        bounds = [0.5, 1, 1.8, 2, 2.5, 5]
        self.saved = meter.create_histogram("save.duration", "s", explicit_bucket_boundaries_advisory=bounds)

    def save(self):
        self.saved.record(DURATION_MS / 1000)

    def fail(self, code):
        self.failed.add(1, {"error.type": code})


class Logs:
    def __init__(self):
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        self.provider = LoggerProvider(RESOURCE)
        self.provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
        self.logger = self.provider.get_logger("shop")

    def tell(self, name, attributes):
        now = time.time_ns()
        self.logger.emit(timestamp=now, observed_timestamp=now, event_name=name, attributes=attributes)

    def save(self):
        self.tell("autosave.save.completed", {"duration_ms": DURATION_MS})

    def fail(self, code):
        self.tell("autosave.save.error", {"code": code, "retryable": True})


class Spans:
    def __init__(self):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.provider = TracerProvider(resource=RESOURCE)
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self.tracer = self.provider.get_tracer("shop")

    def span(self):
        now = time.time_ns()
        return self.tracer.start_span("save", start_time=now - DURATION_MS * 1_000_000), now

    def save(self):
        span, now = self.span()
        span.end(now)

    def fail(self, code):
        from opentelemetry.trace import Status, StatusCode

        span, now = self.span()
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR))
        span.end(now)


told = {"metrics": Metrics, "logs": Logs, "spans": Spans}[os.environ["SIGNAL"]]()
for line in sys.stdin:
    match line.split():
        case ["save", count]:
            for _ in range(int(count)):
                told.save()
        case ["fail", code, count]:
            for _ in range(int(count)):
                told.fail(code)
        case ["flush"]:
            print("flushed" if told.provider.force_flush(60_000) is not False else "not flushed", flush=True)
told.provider.shutdown()
