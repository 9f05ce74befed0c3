-- Since when no replica that looked at the row knew its kind: one of a newer release may.
ALTER TABLE outbox ADD COLUMN kind_unknown_since BIGINT;
