-- Which verdicts there are is the gate's to say. The column is made anew because SQLite cannot take a CHECK off.
ALTER TABLE decisions RENAME COLUMN verdict TO checked_verdict;
ALTER TABLE decisions ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
UPDATE decisions SET verdict = checked_verdict;
ALTER TABLE decisions DROP COLUMN checked_verdict;
