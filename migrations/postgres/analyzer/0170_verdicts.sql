-- Which verdicts there are is the gate's to say.
ALTER TABLE decisions DROP CONSTRAINT decisions_verdict_check;
