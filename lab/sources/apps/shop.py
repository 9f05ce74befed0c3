"""An app that does what it is told on its standard input and tells of it as SIGNAL says, to ENDPOINT.

`save N`, `fail CODE N`, and `flush`, which is answered when all is told. What knows its events by an id also takes `again`: the last
event once more; `behind N` and `ahead N`: saves by a clock that is ten minutes off.
"""

import os
import sys

MINUTES_OFF = 10 * 60


def started(signal):
    match signal:
        case "metrics" | "logs" | "spans":
            import by_sdk

            return {"metrics": by_sdk.Metrics, "logs": by_sdk.Logs, "spans": by_sdk.Spans}[signal]()
        case "file" | "push" | "nats":
            import by_line

            return {"file": by_line.File, "push": by_line.Push, "nats": by_line.Nats}[signal]()
        case "prometheus":
            import by_scrape

            return by_scrape.Scraped()


told = started(os.environ["SIGNAL"])
for line in sys.stdin:
    match line.split():
        case ["save", count]:
            for _ in range(int(count)):
                told.save()
        case ["fail", code, count]:
            for _ in range(int(count)):
                told.fail(code)
        case ["again"]:
            told.again()
        case ["behind", count]:
            for _ in range(int(count)):
                told.save(-MINUTES_OFF)
        case ["ahead", count]:
            for _ in range(int(count)):
                told.save(MINUTES_OFF)
        case ["flush"]:
            print("flushed" if told.flush() is not False else "not flushed", flush=True)
told.end()
