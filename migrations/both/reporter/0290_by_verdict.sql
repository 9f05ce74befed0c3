-- What is rare is found without reading the windows between; `ok` is what most are, so the order of time finds it soon.
CREATE INDEX decisions_by_verdict ON decisions (verdict, window_end, id) WHERE verdict <> 'ok';
CREATE INDEX decisions_by_target_verdict ON decisions (target, verdict, window_end, id) WHERE verdict <> 'ok';

-- An incident's first message in a channel: whatever a planner knows of the table, no other index serves it better.
CREATE INDEX notifications_first ON notifications (incident, channel, created_at, id)
    WHERE state = 'sent' AND incident IS NOT NULL;
