"""Tells by the OpenTelemetry SDK, which finds ENDPOINT by its own variable."""

import os
import time
import uuid

from opentelemetry.sdk.resources import Resource

DURATION_MS = 640
RESOURCE = Resource.create({"service.instance.id": os.environ["INSTANCE"]})


class Provided:
    def flush(self):
        return self.provider.force_flush(60_000)

    def end(self):
        self.provider.shutdown()


class Metrics(Provided):
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


class Logs(Provided):
    def __init__(self):
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        self.provider = LoggerProvider(RESOURCE)
        self.provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
        self.logger = self.provider.get_logger("shop")

    def tell(self, name, attributes, seconds_off=0):
        at = time.time_ns() + seconds_off * 1_000_000_000
        attributes["event_id"] = str(uuid.uuid4())
        self.last = {"timestamp": at, "observed_timestamp": at, "event_name": name, "attributes": attributes}
        self.logger.emit(**self.last)

    def save(self, seconds_off=0):
        self.tell("autosave.save.completed", {"duration_ms": DURATION_MS}, seconds_off)

    def fail(self, code):
        self.tell("autosave.save.error", {"code": code, "retryable": True})

    def again(self):
        self.logger.emit(**self.last)


class Spans(Provided):
    def __init__(self):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.provider = TracerProvider(resource=RESOURCE)
        self.processor = BatchSpanProcessor(OTLPSpanExporter())
        self.provider.add_span_processor(self.processor)
        self.tracer = self.provider.get_tracer("shop")

    def span(self, seconds_off=0):
        end = time.time_ns() + seconds_off * 1_000_000_000
        self.last = self.tracer.start_span("save", start_time=end - DURATION_MS * 1_000_000)
        return self.last, end

    def save(self, seconds_off=0):
        span, end = self.span(seconds_off)
        span.end(end)

    def fail(self, code):
        from opentelemetry.trace import Status, StatusCode

        span, end = self.span()
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def again(self):
        self.processor.on_end(self.last)
