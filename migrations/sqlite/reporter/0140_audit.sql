-- GO-4: every act of a person or service that changes state, each row chained to the one before in its stream.
CREATE TABLE audit (
    stream TEXT NOT NULL CHECK (stream <> ''),               -- a target, or '@service'
    seq BIGINT NOT NULL CHECK (seq > 0),                     -- without gaps
    at BIGINT NOT NULL,
    actor TEXT NOT NULL CHECK (actor <> ''),
    roles TEXT NOT NULL,                                     -- a JSON array
    via TEXT NOT NULL CHECK (via IN ('api', 'slack', 'pagerduty', 'analyzer', 'collector', 'phasegate')),
    verified BIGINT NOT NULL CHECK (verified IN (0, 1)),     -- whether a credential proved the name
    action TEXT NOT NULL CHECK (action <> ''),
    target TEXT,
    subject TEXT,
    detail TEXT NOT NULL,
    prev_hash TEXT NOT NULL CHECK (length(prev_hash) = 71),
    hash TEXT NOT NULL CHECK (length(hash) = 71),
    PRIMARY KEY (stream, seq),
    CONSTRAINT audit_stream_is_the_targets CHECK (stream = COALESCE(target, '@service')),
    -- A chain does not fork.
    CONSTRAINT audit_one_row_after_each UNIQUE (stream, prev_hash)
);
CREATE INDEX audit_by_time ON audit (at, stream, seq);
CREATE INDEX audit_by_stream_and_time ON audit (stream, at, seq);
CREATE INDEX audit_by_actor ON audit (actor, at, stream, seq);
CREATE INDEX audit_by_action ON audit (action, at, stream, seq);

-- What whoever appends to a stream without a target's row holds meanwhile.
CREATE TABLE audit_locks (
    stream TEXT PRIMARY KEY
);
INSERT INTO audit_locks (stream) VALUES ('@service');

-- Nobody changes or deletes a row: not a bug, not a slip in a console. Who can write the file can take this off
-- again; that is what the chain and its copy in the archive are for.
CREATE TRIGGER audit_rows_are_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only: UPDATE is refused');
END;
CREATE TRIGGER audit_rows_stay BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only: DELETE is refused');
END;
-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER audit_rows_are_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (
    SELECT 1 FROM audit
    WHERE stream = NEW.stream AND (seq = NEW.seq OR prev_hash = NEW.prev_hash)
)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only: REPLACE is refused');
END;
