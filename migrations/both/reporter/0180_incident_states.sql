-- Which states there are is the machine's to say. The column is made anew because SQLite cannot take a CHECK off.
DROP INDEX incidents_one_open_a_target;
DROP INDEX incidents_by_state;
ALTER TABLE incidents RENAME COLUMN state TO checked_state;
ALTER TABLE incidents ADD COLUMN state TEXT NOT NULL DEFAULT '';
UPDATE incidents SET state = checked_state;
ALTER TABLE incidents DROP COLUMN checked_state;
-- DE-4: at most one open incident a target.
CREATE UNIQUE INDEX incidents_one_open_a_target ON incidents (target) WHERE state = 'open';
CREATE INDEX incidents_by_state ON incidents (state, opened_at, id);
