-- Every commit writes these rows again. With room on their pages they are changed in place: no index is written, and what they were
-- is cleared away by the next one who comes by. Pages that are full get the room as their rows move.
ALTER TABLE targets SET (fillfactor = 50);
ALTER TABLE source_positions SET (fillfactor = 50);
