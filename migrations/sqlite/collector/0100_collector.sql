-- One row a target: what is in force, and the generation that every write moves on by one. Who writes says
-- which generation it has seen; if another replica was there in between, it loads again and starts over.
CREATE TABLE targets (
    target TEXT PRIMARY KEY CHECK (target <> ''),
    generation BIGINT NOT NULL CHECK (generation > 0),
    commit_ids TEXT NOT NULL,                            -- of the last writes: tell whether a lost answer was a yes
    state TEXT NOT NULL                                  -- directive, schedule, watermarks, health of the source
);

-- What each flush has added to windows that are not closed: counts, and the hashes of the event ids seen for
-- the first time, 8 bytes each. Only ever inserted and, when the window closes, added up and deleted.
CREATE TABLE partials (
    target TEXT NOT NULL REFERENCES targets (target),
    window_start_ms BIGINT NOT NULL CHECK (window_start_ms >= 0),
    generation BIGINT NOT NULL,
    totals TEXT NOT NULL,
    id_hashes BLOB NOT NULL,
    PRIMARY KEY (target, window_start_ms, generation)
);
CREATE INDEX partials_by_generation ON partials (target, generation);

-- How far each file was read, by the file's identity.
CREATE TABLE source_positions (
    target TEXT NOT NULL REFERENCES targets (target),
    file_id TEXT NOT NULL CHECK (file_id <> ''),
    byte_offset BIGINT NOT NULL CHECK (byte_offset >= 0),
    position TEXT NOT NULL,
    seen_at_ms BIGINT NOT NULL,
    PRIMARY KEY (target, file_id)
);

-- The first answer to each push that carried an Idempotency-Key.
CREATE TABLE push_answers (
    target TEXT NOT NULL REFERENCES targets (target),
    idempotency_key TEXT NOT NULL CHECK (idempotency_key <> ''),
    body_hash TEXT NOT NULL,
    answer TEXT NOT NULL,
    answered_at_ms BIGINT NOT NULL,
    PRIMARY KEY (target, idempotency_key)
);
CREATE INDEX push_answers_by_age ON push_answers (answered_at_ms);

-- Exactly one a window and target.
CREATE TABLE batches (
    target TEXT NOT NULL REFERENCES targets (target),
    window_start_ms BIGINT NOT NULL,
    window_end_ms BIGINT NOT NULL,
    phase TEXT NOT NULL,
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    batch TEXT NOT NULL,
    collected_at_ms BIGINT NOT NULL,
    sent BIGINT NOT NULL CHECK (sent IN (0, 1)),         -- whether it goes to the analyzer at all
    attempts BIGINT NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    delivered_at_ms BIGINT,
    last_error TEXT,
    PRIMARY KEY (target, window_start_ms),
    CONSTRAINT batches_windows_are_not_empty CHECK (window_end_ms > window_start_ms),
    CONSTRAINT batches_delivered_were_sent CHECK (delivered_at_ms IS NULL OR sent = 1)
);
CREATE INDEX batches_undelivered ON batches (target, window_end_ms) WHERE sent = 1 AND delivered_at_ms IS NULL;
CREATE INDEX batches_by_age ON batches (window_end_ms);
