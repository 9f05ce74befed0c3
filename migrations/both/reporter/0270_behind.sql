-- OP-3: targets of which a neighbour was told what is not known here.
ALTER TABLE targets ADD COLUMN behind BIGINT NOT NULL DEFAULT 0 CHECK (behind IN (0, 1));
CREATE INDEX targets_behind ON targets (target) WHERE behind = 1;
