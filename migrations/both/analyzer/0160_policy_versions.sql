-- The texts that decisions were made under are kept in `rules`, together with when they were in force.
INSERT INTO rules (version, texts_version, first_seen_at, body, texts)
    SELECT version, '', first_used_ms, body, '{}' FROM policy_versions;
DROP TABLE policy_versions;
