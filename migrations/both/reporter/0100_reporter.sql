-- The rollout machine: one row a target, its state as JSON; the columns beside it are what queries look at.
CREATE TABLE targets (
    target TEXT PRIMARY KEY,
    version BIGINT NOT NULL CHECK (version >= 0),            -- grows with every change
    phase TEXT NOT NULL CHECK (phase <> ''),
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    state TEXT NOT NULL,
    due_at BIGINT,                                           -- when a tick has something to do
    updated_at BIGINT NOT NULL
);
CREATE INDEX targets_due ON targets (due_at) WHERE due_at IS NOT NULL;

-- The incident machine: one row an incident.
CREATE TABLE incidents (
    id TEXT PRIMARY KEY,
    target TEXT NOT NULL REFERENCES targets (target),
    state TEXT NOT NULL CHECK (state IN ('open', 'recovered', 'closed')),
    opened_at BIGINT NOT NULL,
    due_at BIGINT,
    body TEXT NOT NULL
);
-- DE-4: at most one open incident a target.
CREATE UNIQUE INDEX incidents_one_open_a_target ON incidents (target) WHERE state = 'open';
CREATE INDEX incidents_by_time ON incidents (opened_at, id);
CREATE INDEX incidents_by_target ON incidents (target, opened_at, id);
CREATE INDEX incidents_by_state ON incidents (state, opened_at, id);
CREATE INDEX incidents_due ON incidents (due_at) WHERE due_at IS NOT NULL;

-- INC-<day>-<number>
CREATE TABLE incident_days (
    day TEXT PRIMARY KEY,
    last BIGINT NOT NULL CHECK (last > 0)
);

-- Each hop of an incident, in the order it was learned.
CREATE TABLE timeline (
    incident TEXT NOT NULL REFERENCES incidents (id),
    seq BIGINT NOT NULL CHECK (seq > 0),
    at BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind <> ''),
    detail TEXT NOT NULL,
    data TEXT,
    PRIMARY KEY (incident, seq)
);

CREATE TABLE decisions (
    id TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    phase TEXT NOT NULL,
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    window_start BIGINT NOT NULL,
    window_end BIGINT NOT NULL CHECK (window_end > window_start),
    verdict TEXT NOT NULL CHECK (verdict IN ('ok', 'insufficient', 'warn', 'violation')),
    stale BIGINT NOT NULL CHECK (stale IN (0, 1)),
    incident TEXT REFERENCES incidents (id),
    received_at BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX decisions_by_incident ON decisions (incident, received_at) WHERE incident IS NOT NULL;
CREATE INDEX decisions_by_time ON decisions (received_at);

CREATE TABLE notifications (
    id TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    text TEXT NOT NULL CHECK (text <> ''),
    incident TEXT,
    decision TEXT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'logged', 'failed')),
    attempts BIGINT NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    unknowns BIGINT NOT NULL DEFAULT 0 CHECK (unknowns >= 0),
    created_at BIGINT NOT NULL,
    sent_at BIGINT,
    outcome TEXT,
    last_error TEXT,
    CONSTRAINT notifications_sent_has_time CHECK ((state IN ('sent', 'logged')) = (sent_at IS NOT NULL))
);
CREATE INDEX notifications_by_time ON notifications (created_at, id);
CREATE INDEX notifications_by_target ON notifications (target, created_at, id);
CREATE INDEX notifications_by_state ON notifications (state, created_at, id);
CREATE INDEX notifications_by_incident ON notifications (incident, created_at, id) WHERE incident IS NOT NULL;

-- Acts of people under an Idempotency-Key, with the first answer.
CREATE TABLE acts (
    request_id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    at BIGINT NOT NULL
);
