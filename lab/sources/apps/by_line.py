"""Tells by lines of events: in a file that rotates, pushed, or in messages of NATS."""

import asyncio
import datetime
import json
import logging
import logging.handlers
import os
import time
import urllib.error
import urllib.request
import uuid

DURATION_MS = 640


class Lines:
    def tell(self, name, fields, seconds_off=0):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds_off)
        self.last = json.dumps({"ts": at.isoformat(), "name": name, "event_id": str(uuid.uuid4())} | fields)
        self.write(self.last)

    def save(self, seconds_off=0):
        self.tell("autosave.save.completed", {"duration_ms": DURATION_MS}, seconds_off)

    def fail(self, code):
        self.tell("autosave.save.error", {"code": code, "retryable": True})

    def again(self):
        self.write(self.last)

    def flush(self):
        pass

    def end(self):
        pass


class File(Lines):
    """By a logger that renames its full files, ENDPOINT to ENDPOINT.1 and that to ENDPOINT.2."""

    def __init__(self):
        handler = logging.handlers.RotatingFileHandler(os.environ["ENDPOINT"], maxBytes=64_000, backupCount=99)
        self.logger = logging.getLogger("shop")
        self.logger.setLevel(logging.INFO)
        self.logger.addHandler(handler)

    def write(self, line):
        self.logger.info(line)


class Push(Lines):
    """To ENDPOINT at each flush, until it is taken, and once more: an answer may get lost."""

    def __init__(self):
        self.lines = []

    def write(self, line):
        self.lines.append(line)

    def flush(self):
        body, self.lines = "\n".join(self.lines).encode(), []
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": str(uuid.uuid4())}
        request = urllib.request.Request(os.environ["ENDPOINT"], body, headers)
        for _ in range(2 if body else 0):
            until_taken(request)


class Nats(Lines):
    """To the subject behind the last slash of ENDPOINT, a message at each flush, and once more: an answer may get lost."""

    def __init__(self):
        self.lines = []

    def write(self, line):
        self.lines.append(line)

    def flush(self):
        body, self.lines = "\n".join(self.lines).encode(), []
        if body:
            asyncio.run(self.publish(body))

    async def publish(self, body):
        import nats

        server, _, subject = os.environ["ENDPOINT"].rpartition("/")
        client = await nats.connect(server)
        headers = {"Nats-Msg-Id": str(uuid.uuid4())}
        for _ in range(2):
            await client.jetstream().publish(subject, body, headers=headers)
        await client.close()


def until_taken(request):
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise
        except OSError:
            pass
        time.sleep(0.05)
