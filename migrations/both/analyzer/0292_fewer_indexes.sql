-- Four tenths of what a decision took were indexes. What is rare has one of its own; `ok` is what most are, so the order of time finds
-- it soon.
DROP INDEX decisions_by_verdict;
DROP INDEX decisions_by_target_verdict;
CREATE INDEX decisions_rare ON decisions (verdict, window_start_ms, decision_id) WHERE verdict <> 'ok';
CREATE INDEX decisions_rare_of_target ON decisions (target, verdict, window_start_ms, decision_id) WHERE verdict <> 'ok';
DROP INDEX batches_by_verdict;
DROP INDEX batches_by_target_verdict;
CREATE INDEX batches_rare ON batches (verdict, window_start_ms, target) WHERE verdict <> 'ok';
CREATE INDEX batches_rare_of_target ON batches (target, verdict, window_start_ms) WHERE verdict <> 'ok';

-- The unique key of target, window and cause finds the same.
DROP INDEX decisions_by_target;
