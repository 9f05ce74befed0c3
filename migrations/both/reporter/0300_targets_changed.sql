-- What other replicas have changed lately, for the dashboard: found without reading the rest.
CREATE INDEX targets_updated ON targets (updated_at);
