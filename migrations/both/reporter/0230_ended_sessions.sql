-- SE-3: browser sessions that were ended before their time, until they would have ended by themselves.
CREATE TABLE ended_sessions (
    id TEXT PRIMARY KEY CHECK (id <> ''),                    -- session:<digest of the cookie>, or person:<name>: all of hers
    person TEXT NOT NULL,
    opened_before BIGINT NOT NULL,                           -- those opened before this have ended
    forget_at BIGINT NOT NULL
);
CREATE INDEX ended_sessions_by_person ON ended_sessions (person);
CREATE INDEX ended_sessions_by_time ON ended_sessions (forget_at);
