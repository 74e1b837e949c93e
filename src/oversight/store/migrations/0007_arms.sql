-- What each arm of a run is, so that a report compares what can be compared.

CREATE TABLE arms (
    run_id VARCHAR NOT NULL,
    arm_no INTEGER NOT NULL,            -- its place in the experiment, as in `plan`
    arm VARCHAR NOT NULL,
    entry VARCHAR,                      -- what the experiment calls it before swept values are added; NULL: unknown
    protocol VARCHAR NOT NULL,
    origin VARCHAR,                     -- the protocol's class, by module or file; NULL: unknown
    version VARCHAR,                    -- the protocol's own, and a digest of its code and prompts
    baseline BOOLEAN NOT NULL,          -- whether the protocol says that others are compared with it
    ceiling BOOLEAN NOT NULL,           -- whether it says that it is the most that others could reach
    models JSON NOT NULL                -- the cast: role -> digests of the models' settings, sorted; seeds are left out
);

-- Runs of earlier releases: there was one such protocol, and models were made for one seed. Where an arm has several
-- seeds its models cannot be told from its judge's name here, and that name is all there is to go by.
INSERT INTO arms BY NAME
WITH cast_of AS (
    SELECT
        plan.run_id, plan.arm_no,
        any_value(episodes.protocol_version) AS version,
        any_value(episodes.protocol_key LIKE 'import:%') AS imported,
        CASE WHEN count(DISTINCT plan.seed) = 1 THEN any_value(episodes.models)::VARCHAR END AS models
    FROM plan
    LEFT JOIN episodes ON episodes.episode_id = plan.episode_id
    GROUP BY ALL
),
first_of AS (
    SELECT run_id, arm_no, any_value(arm) AS arm, any_value(protocol) AS protocol, any_value(options) AS options
    FROM plan GROUP BY ALL
)
SELECT
    first_of.run_id, first_of.arm_no, arm, protocol, version,
    protocol = 'direct' AND coalesce(options->>'sees', '') <> 'material' AS baseline,
    protocol = 'direct' AND coalesce(options->>'sees', '') = 'material' AS ceiling,
    CASE WHEN imported OR models IS NULL THEN '{}' ELSE models END::JSON AS models
FROM first_of JOIN cast_of ON cast_of.run_id = first_of.run_id AND cast_of.arm_no = first_of.arm_no;
