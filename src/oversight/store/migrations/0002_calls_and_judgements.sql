-- Whom a call was made for, whether a question may be published, and what a re-judging leaves behind.

ALTER TABLE calls ADD COLUMN origin VARCHAR DEFAULT 'made'; -- made, kept or shared (oversight.models.base.Origin)
ALTER TABLE questions ADD COLUMN restricted BOOLEAN DEFAULT false; -- never to be exported in the clear

-- Nothing has written this table so far.
DROP TABLE judgements;
CREATE TABLE judgements (
    judgement_id VARCHAR NOT NULL,      -- of the judge and the attempt judged: the same again is not stored twice
    episode_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    judged_at TIMESTAMPTZ NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('human', 'model')),
    judge VARCHAR NOT NULL,             -- the model's name, or a person's anonymous one
    settings JSON,                      -- the model's
    status VARCHAR NOT NULL CHECK (status IN ('judged', 'failed')),
    failure VARCHAR,
    detail VARCHAR,
    probs DOUBLE[],                     -- in the order presented; NULL: abstained, or failed
    source VARCHAR,
    seconds DOUBLE,
    explanation VARCHAR,
    calls INTEGER,
    cost_usd DOUBLE                     -- NULL: the price is unknown, or a person judged
);

-- Every planned episode with its scores, whether it counts, and the calls and cost of all its attempts, so that
-- what failures cost is counted. A call that a later attempt used again is counted once; one that another episode
-- made is counted at its price, because that is what the arm would have cost by itself.
CREATE OR REPLACE VIEW tally AS
WITH spent AS (
    SELECT
        episode_id,
        count(*) AS calls,
        sum(prompt_tokens)::BIGINT AS prompt_tokens,
        sum(completion_tokens)::BIGINT AS completion_tokens,
        sum(cached_tokens)::BIGINT AS cached_tokens,
        CASE WHEN count(cost_usd) = count(*) THEN sum(cost_usd) END AS cost_usd
    FROM calls
    WHERE origin <> 'kept'
    GROUP BY episode_id
)
SELECT
    scored.*,
    status = 'judged' AND NOT void AND NOT abstained AS counts,
    coalesce(calls, 0) AS calls,
    coalesce(prompt_tokens, 0) AS prompt_tokens,
    coalesce(completion_tokens, 0) AS completion_tokens,
    coalesce(cached_tokens, 0) AS cached_tokens,
    CASE WHEN calls IS NULL THEN 0 ELSE cost_usd END AS cost_usd
FROM scored
LEFT JOIN spent ON spent.episode_id = scored.episode_id;

-- Failed calls and failed episodes by whose they were: the seat that argued the right answer (honest), one that
-- argued another (dishonest), or a seat that argues nothing, by its role. One row per arm, class and side.
CREATE VIEW faults AS
WITH sided AS (
    SELECT
        plan.run_id, plan.arm, plan.arm_no,
        calls.failure,
        CASE
            WHEN list_contains(list_transform(list_filter(episodes.sides, lambda s: s.argues IS NOT NULL), lambda s: s.seat), calls.seat)
            THEN CASE
                WHEN list_filter(episodes.sides, lambda s: s.seat = calls.seat)[1].argues
                    = list_position(episodes.answer_order, questions.gold) - 1
                THEN 'honest'
                ELSE 'dishonest'
            END
            ELSE calls.role
        END AS side,
        calls.episode_id, calls.attempt,
        episodes.status = 'failed' AND episodes.failure = calls.failure AS ended
    FROM calls
    JOIN episodes ON episodes.episode_id = calls.episode_id AND episodes.attempt = calls.attempt
    JOIN plan ON plan.episode_id = calls.episode_id
    LEFT JOIN questions ON questions.question_key = plan.question_key
    WHERE calls.failure IS NOT NULL AND calls.origin <> 'kept'
)
SELECT
    run_id, arm, arm_no, failure, side,
    count(*) AS calls,
    count(DISTINCT (episode_id, attempt)) FILTER (ended) AS attempts_failed
FROM sided
GROUP BY run_id, arm, arm_no, failure, side;

-- One scored row for every judgement of a planned episode by somebody else than its own judge.
-- A judge that failed on one and was asked again counts with the judgement it gave.
CREATE VIEW rejudged AS
WITH latest AS (
    SELECT * FROM judgements
    QUALIFY row_number() OVER (
        PARTITION BY episode_id, attempt, kind, judge, settings::VARCHAR
        ORDER BY status = 'judged' DESC, judged_at DESC
    ) = 1
)
SELECT
    scored.run_id, arm, arm_no, task, protocol, scored.judge AS first_judge, strong,
    judgements.judgement_id, judgements.kind, judgements.judge, judgements.settings, judgements.judged_at,
    judgements.episode_id, judgements.attempt, question_key, cluster, honest, void,
    judgements.status, judgements.failure,
    judgements.status = 'judged' AND judgements.probs IS NULL AS abstained,
    judgements.probs,
    judgements.probs[place] AS p_gold,
    len(list_filter(judgements.probs, lambda p: p >= judgements.probs[place])) = 1 AS correct,
    scored.correct AS first_correct,
    list_max(judgements.probs) AS confidence,
    list_sum(list_transform(judgements.probs, lambda p, i: (p - (i = place)::INTEGER) ** 2)) / 2 AS brier,
    judgements.calls, judgements.cost_usd, judgements.seconds
FROM latest AS judgements
JOIN scored ON scored.episode_id = judgements.episode_id AND scored.attempt = judgements.attempt;
