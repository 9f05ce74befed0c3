-- Events that vendors told us of, by their own id: a repeat within the time they are kept is known (ES-3).
CREATE TABLE webhook_events (
    id TEXT PRIMARY KEY,                                     -- <vendor>:<the vendor's event id>
    kind TEXT NOT NULL CHECK (kind <> ''),
    received_at BIGINT NOT NULL
);
CREATE INDEX webhook_events_by_time ON webhook_events (received_at);

-- Which incident a page is about, by the vendor's own id: later events may leave our key out.
CREATE TABLE pages (
    id TEXT PRIMARY KEY,                                     -- <vendor>:<the vendor's incident id>
    dedup_key TEXT NOT NULL CHECK (dedup_key <> ''),
    learned_at BIGINT NOT NULL
);
