-- Effects, committed with the state change that caused them. One row an effect.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    dedup_key TEXT NOT NULL UNIQUE,
    lane TEXT NOT NULL CHECK (lane <> ''),
    kind TEXT NOT NULL CHECK (kind <> ''),
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    retry TEXT NOT NULL,
    trace_parent TEXT,
    state TEXT NOT NULL CHECK (state IN ('ready', 'leased', 'done', 'dead', 'cancelled')),
    due_at BIGINT NOT NULL,                              -- when it was first wanted
    next_at BIGINT NOT NULL,                             -- ready: not before; leased: when the lease ends
    leased_by TEXT,
    claims BIGINT NOT NULL DEFAULT 0 CHECK (claims >= 0),       -- the fencing token
    step BIGINT NOT NULL DEFAULT 0 CHECK (step >= 0),           -- delays of the schedule already used
    failures BIGINT NOT NULL DEFAULT 0 CHECK (failures >= 0),
    unknowns BIGINT NOT NULL DEFAULT 0 CHECK (unknowns >= 0),
    enqueued_at BIGINT NOT NULL,
    finished_at BIGINT,
    last_error TEXT,
    outcome TEXT,
    CONSTRAINT outbox_finished_is_final CHECK ((state IN ('done', 'dead', 'cancelled')) = (finished_at IS NOT NULL)),
    CONSTRAINT outbox_lease_has_owner CHECK ((state = 'leased') = (leased_by IS NOT NULL)),
    CONSTRAINT outbox_leased_was_claimed CHECK (state <> 'leased' OR claims > 0)
);

-- A lane does one thing at a time.
CREATE UNIQUE INDEX outbox_one_lease_a_lane ON outbox (lane) WHERE state = 'leased';
-- Finding a lane's head costs the same however many rows are done.
CREATE INDEX outbox_pending ON outbox (lane, seq) WHERE state IN ('ready', 'leased');
CREATE INDEX outbox_finished ON outbox (finished_at) WHERE state IN ('done', 'cancelled');
CREATE INDEX outbox_dead ON outbox (seq) WHERE state = 'dead';
CREATE INDEX outbox_subject ON outbox (subject, seq);

-- When each lane wants a worker next; null while it is empty. Kept by every commit that changes the lane.
CREATE TABLE outbox_lanes (
    lane TEXT PRIMARY KEY,
    receiver TEXT NOT NULL,
    next_at BIGINT
);
CREATE INDEX outbox_lanes_due ON outbox_lanes (receiver, next_at) WHERE next_at IS NOT NULL;
