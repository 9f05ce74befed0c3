-- NO-9: incidents that opened in a storm share a page and have no text of their own: which one began it, and what was told by this one.
ALTER TABLE incidents ADD COLUMN storm TEXT;
ALTER TABLE incidents ADD COLUMN storm_told TEXT;
CREATE INDEX incidents_by_storm ON incidents (storm, opened_at) WHERE storm IS NOT NULL;
