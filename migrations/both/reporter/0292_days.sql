-- What the windows of each day came to, so that a chart of a year reads days: a row a target, day and metric, and one of the
-- windows themselves, whose metric is ''.
CREATE TABLE days (
    target TEXT NOT NULL,
    day BIGINT NOT NULL,                                     -- the beginning of the UTC day on which the windows began
    metric TEXT NOT NULL,
    ok BIGINT NOT NULL,
    warn BIGINT NOT NULL,
    unsure BIGINT NOT NULL,
    violation BIGINT NOT NULL,
    insufficient BIGINT NOT NULL,
    alarms BIGINT NOT NULL,                                  -- of batches that did not come
    stale BIGINT NOT NULL,                                   -- of another epoch or phase: in no other count
    rollback_required BIGINT NOT NULL,
    worst DOUBLE PRECISION,                                  -- the value that was furthest beyond its limit, or nearest to it
    threshold DOUBLE PRECISION,                              -- what it was held against
    at_least BIGINT NOT NULL CHECK (at_least IN (0, 1)),
    unit TEXT NOT NULL,
    PRIMARY KEY (target, day, metric)
);
CREATE INDEX days_by_time ON days (day);

-- Whether a decision is in its day's counts. Those of the release before are counted when somebody asks for the day.
ALTER TABLE decisions ADD COLUMN counted BIGINT NOT NULL DEFAULT 0;
CREATE INDEX decisions_uncounted ON decisions (target, window_start, id) WHERE counted = 0;
