-- How long the lane rests after an attempt at this row, and until when it does: over all replicas (NO-8).
ALTER TABLE outbox ADD COLUMN pace_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox_lanes ADD COLUMN rests_until BIGINT;

-- Which of its deaths people were told of, by its claims (NO-7). What died before is known by now.
ALTER TABLE outbox ADD COLUMN loss_told BIGINT;
UPDATE outbox SET loss_told = claims WHERE state = 'dead';
