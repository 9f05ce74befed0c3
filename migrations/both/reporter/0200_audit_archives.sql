-- OP-9: up to which row each archive has held a stream, so that a file that is taken away is missed.
CREATE TABLE audit_archives (
    archive TEXT NOT NULL CHECK (archive <> ''),             -- as its data directory names it
    stream TEXT NOT NULL CHECK (stream <> ''),
    seq BIGINT NOT NULL CHECK (seq > 0),
    PRIMARY KEY (archive, stream)
);
