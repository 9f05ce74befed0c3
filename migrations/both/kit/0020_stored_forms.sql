-- Replicas of two releases side by side (OP-6). Times are Unix milliseconds.
-- Whoever joins or allows a form holds the one row of this table meanwhile: one after the other.
CREATE TABLE stored_marks (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    made_at BIGINT                                     -- when a replica that knows of forms joined first
);
INSERT INTO stored_marks (id) VALUES (1);

-- Replicas that live, and the newest form of each kind of document that they read.
CREATE TABLE stored_replicas (
    replica TEXT NOT NULL PRIMARY KEY CHECK (replica <> ''),
    service TEXT NOT NULL,
    reads TEXT NOT NULL,                               -- JSON: {kind: form}
    seen_at BIGINT NOT NULL
);

-- Forms above the first that may have been written: every replica that lives read them when the row was made.
CREATE TABLE stored_forms (
    kind TEXT NOT NULL CHECK (kind <> ''),
    form BIGINT NOT NULL CHECK (form > 1),
    allowed_at BIGINT NOT NULL,
    PRIMARY KEY (kind, form)
);
