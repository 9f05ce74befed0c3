-- OP-3: which store this is and how far it has come. A file in each data directory that belongs to it says the same.
CREATE TABLE store_mark (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    instance TEXT NOT NULL CHECK (instance <> ''),
    created_at BIGINT NOT NULL,
    generation BIGINT NOT NULL CHECK (generation >= 0),      -- grows when a person accepts an older store
    position BIGINT NOT NULL CHECK (position >= 0),          -- grows while something is stored, once a second at most
    accepted_at BIGINT,                                      -- the newest acceptance
    accepted_by TEXT,
    accepted_reason TEXT,
    taken_over_at BIGINT,                                    -- when the service did what follows from it
    CONSTRAINT store_mark_accepted_whole CHECK ((accepted_at IS NULL) = (accepted_by IS NULL)
        AND (accepted_at IS NULL) = (accepted_reason IS NULL))
);
