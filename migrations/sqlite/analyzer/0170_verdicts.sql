-- Which verdicts there are is the gate's to say. The column is made anew because SQLite cannot take a CHECK off.
DROP INDEX decisions_by_verdict;
DROP INDEX decisions_by_target_verdict;
ALTER TABLE decisions RENAME COLUMN verdict TO checked_verdict;
ALTER TABLE decisions ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
UPDATE decisions SET verdict = checked_verdict;
ALTER TABLE decisions DROP COLUMN checked_verdict;
CREATE INDEX decisions_by_verdict ON decisions (verdict, window_start_ms, decision_id);
CREATE INDEX decisions_by_target_verdict ON decisions (target, verdict, window_start_ms, decision_id);
