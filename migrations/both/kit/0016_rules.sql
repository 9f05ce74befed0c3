-- Every version of the policy that was in force, with the texts it named (PO-2). Times are Unix milliseconds, JSON is text.
CREATE TABLE rules (
    version TEXT NOT NULL CHECK (version <> ''),       -- sha256:<hex> of the policy's bytes
    texts_version TEXT NOT NULL,                       -- the same of the texts; '' where the service sends none
    first_seen_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    texts TEXT NOT NULL,                               -- by file name
    PRIMARY KEY (version, texts_version)
);

-- Which of them was in force from when on: a window goes by the newest that was in force when it began.
CREATE TABLE rules_log (
    seq BIGINT NOT NULL PRIMARY KEY CHECK (seq > 0),
    in_force_from BIGINT NOT NULL CHECK (in_force_from >= 0),
    version TEXT NOT NULL,
    texts_version TEXT NOT NULL,
    FOREIGN KEY (version, texts_version) REFERENCES rules (version, texts_version)
);
CREATE INDEX rules_log_by_time ON rules_log (in_force_from, seq);
