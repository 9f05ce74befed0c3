-- Times are Unix milliseconds. JSON is text. One row a target: whoever changes it compares `version` first.
CREATE TABLE targets (
    target            TEXT   NOT NULL PRIMARY KEY,
    version           BIGINT NOT NULL CHECK (version > 0),
    phase             TEXT,
    run               TEXT,
    watch             TEXT,
    watch_deadline_ms BIGINT,
    CHECK ((phase IS NULL) = (run IS NULL)),
    CHECK ((watch IS NULL) = (watch_deadline_ms IS NULL))
);
CREATE INDEX targets_by_deadline ON targets (watch_deadline_ms) WHERE watch_deadline_ms IS NOT NULL;

CREATE TABLE decisions (
    decision_id     TEXT   NOT NULL PRIMARY KEY,
    target          TEXT   NOT NULL,
    phase           TEXT   NOT NULL,
    epoch           BIGINT NOT NULL CHECK (epoch >= 0),
    window_start_ms BIGINT NOT NULL,
    window_end_ms   BIGINT NOT NULL,
    verdict         TEXT   NOT NULL CHECK (verdict IN ('ok', 'insufficient', 'warn', 'violation')),
    cause           TEXT   NOT NULL CHECK (cause IN ('slo', 'collection_delayed', 'retry_exhausted')),
    policy_version  TEXT   NOT NULL,
    decided_at_ms   BIGINT NOT NULL,
    body            TEXT   NOT NULL,
    CHECK (window_end_ms > window_start_ms),
    UNIQUE (target, window_start_ms, cause)
);
CREATE INDEX decisions_newest ON decisions (window_start_ms, decision_id);
CREATE INDEX decisions_by_target ON decisions (target, window_start_ms, decision_id);
CREATE INDEX decisions_by_verdict ON decisions (verdict, window_start_ms, decision_id);
CREATE INDEX decisions_by_target_verdict ON decisions (target, verdict, window_start_ms, decision_id);
CREATE INDEX decisions_by_target_epoch ON decisions (target, epoch, window_start_ms, decision_id);

CREATE TABLE batches (
    target          TEXT   NOT NULL,
    window_start_ms BIGINT NOT NULL,
    window_end_ms   BIGINT NOT NULL,
    phase           TEXT   NOT NULL,
    epoch           BIGINT NOT NULL CHECK (epoch >= 0),
    verdict         TEXT   NOT NULL,
    decision_id     TEXT   NOT NULL UNIQUE REFERENCES decisions (decision_id),
    batch_hash      TEXT   NOT NULL,
    received_at_ms  BIGINT NOT NULL,
    counters        TEXT   NOT NULL,
    body            TEXT   NOT NULL,
    PRIMARY KEY (target, window_start_ms),
    CHECK (window_end_ms > window_start_ms)
);
-- What a mean over time looks at: the newest batches of an epoch.
CREATE INDEX batches_by_epoch ON batches (target, epoch, window_end_ms);
CREATE INDEX batches_newest ON batches (window_start_ms, target);
CREATE INDEX batches_by_verdict ON batches (verdict, window_start_ms, target);
CREATE INDEX batches_by_target_verdict ON batches (target, verdict, window_start_ms);

-- Batches that came under the key of another one (SLO-9): kept for people to look at.
CREATE TABLE refused_batches (
    target          TEXT   NOT NULL,
    window_start_ms BIGINT NOT NULL,
    batch_hash      TEXT   NOT NULL,
    received_at_ms  BIGINT NOT NULL,
    body            TEXT   NOT NULL,
    PRIMARY KEY (target, window_start_ms, batch_hash)
);

CREATE TABLE collector_events (
    event_id       TEXT   NOT NULL PRIMARY KEY,
    target         TEXT   NOT NULL,
    decision_id    TEXT   NOT NULL,
    received_at_ms BIGINT NOT NULL,
    body           TEXT   NOT NULL
);
CREATE INDEX collector_events_by_decision ON collector_events (decision_id);

-- The texts that decisions were made under (SLO-10).
CREATE TABLE policy_versions (
    version       TEXT   NOT NULL PRIMARY KEY,
    first_used_ms BIGINT NOT NULL,
    body          TEXT   NOT NULL
);
