-- What a source other than files remembers of how far it was read. Rows of files have none: theirs is `position`, which
-- a replica of the release before reads and writes too.
ALTER TABLE source_positions ADD COLUMN cursor TEXT;
