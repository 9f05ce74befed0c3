-- SLO-9: of what is refused only some is kept; how many came after a row and were left out for it is counted on it.
ALTER TABLE refused_batches ADD COLUMN left_out BIGINT NOT NULL DEFAULT 0;
CREATE INDEX refused_batches_by_age ON refused_batches (received_at_ms);
