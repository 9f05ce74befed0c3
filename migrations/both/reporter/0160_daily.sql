-- That the report of a day was made: its key makes it once (DA-5).
CREATE TABLE daily_reports (
    target TEXT NOT NULL REFERENCES targets (target),
    date TEXT NOT NULL CHECK (date <> ''),
    made_at BIGINT NOT NULL,
    PRIMARY KEY (target, date)
);

-- What a day's report looks at.
CREATE INDEX decisions_by_target_window ON decisions (target, window_start, id);
