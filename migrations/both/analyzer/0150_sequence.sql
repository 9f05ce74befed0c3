-- The order in which a target's decisions were made: each could look at those with a smaller number. It is the
-- version that its commit gave to the target's row. A replay reads in this order.
ALTER TABLE decisions ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0;
CREATE INDEX decisions_by_sequence ON decisions (target, sequence, window_start_ms, decision_id);
