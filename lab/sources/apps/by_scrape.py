"""Tells Prometheus, which scrapes it at ENDPOINT, `host:port`."""

import os

import prometheus_client

DURATION_S = 0.64


class Scraped:
    def __init__(self):
        bounds = [0.5, 1, 1.8, 2, 2.5, 5]
        self.saved = prometheus_client.Histogram("save_duration_seconds", "How long a save took", buckets=bounds)
        self.failed = prometheus_client.Counter("saves_failed", "Saves that failed", ["code"])
        host, port = os.environ["ENDPOINT"].split(":")
        prometheus_client.start_http_server(int(port), host)

    def save(self):
        self.saved.observe(DURATION_S)

    def fail(self, code):
        self.failed.labels(code).inc()

    def flush(self):
        pass

    def end(self):
        pass
