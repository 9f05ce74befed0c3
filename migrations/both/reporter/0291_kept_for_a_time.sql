-- Acts under an Idempotency-Key, how vendors call pages, and which daily reports were made, are kept for a time only.
CREATE INDEX acts_by_time ON acts (at);
CREATE INDEX pages_by_time ON pages (learned_at);
CREATE INDEX daily_reports_by_time ON daily_reports (made_at);

-- Incidents that are not closed: what they stand on is kept, however old.
CREATE INDEX incidents_unfinished ON incidents (opened_at, id) WHERE state <> 'closed';
