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

-- Nobody changes or deletes a row: not a bug, not a slip in a console. Who owns the table can take this off again;
-- that is what the chain and its copy in the archive are for.
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP;
END
$$;
CREATE TRIGGER audit_rows_stay BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_stays BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- The service's own role may read and insert, even where it owns the table.
REVOKE ALL ON audit FROM PUBLIC;
REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM CURRENT_USER;
