-- Collectors' alarms go with the batches of their time.
CREATE INDEX collector_events_by_age ON collector_events (received_at_ms);
