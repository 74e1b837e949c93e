-- What people say of stored transcripts. Their settings are those of the session: {"feedback": false, "run": …}.

ALTER TABLE judgements ADD COLUMN mode VARCHAR;  -- of a person: stepped, at the end, or steps
ALTER TABLE judgements ADD COLUMN beliefs JSON;  -- of a person: [{"part", "probs", "seconds", "resumed"}, …]
ALTER TABLE judgements ADD COLUMN labels JSON;   -- mode steps: [{"kind", "data", "message"}, …], as in annotations

-- One scored row for every judgement of a planned episode by somebody else than its own judge.
-- A judge that failed on one and was asked again counts with the judgement it gave. Labels of steps are no verdict.
CREATE OR REPLACE VIEW rejudged AS
WITH latest AS (
    SELECT
        judgement_id, episode_id, attempt, judged_at, kind, judge, settings, status, failure, probs, seconds, calls,
        cost_usd, mode, explanation
    FROM judgements
    WHERE labels IS NULL
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
    judgements.calls, judgements.cost_usd, judgements.seconds, judgements.mode, judgements.explanation
FROM latest AS judgements
JOIN scored ON scored.episode_id = judgements.episode_id AND scored.attempt = judgements.attempt;

-- What a person believed after each part of a transcript; `p_gold` is the right answer's probability.
CREATE VIEW human_beliefs AS
WITH listed AS (
    SELECT
        judgement_id, episode_id, attempt, judge, mode,
        unnest(from_json(beliefs, '[{"part": "INTEGER", "probs": ["DOUBLE"], "seconds": "DOUBLE", "resumed": "INTEGER"}]')) AS held
    FROM judgements
    WHERE kind = 'human' AND beliefs IS NOT NULL
)
SELECT
    scored.run_id, arm, arm_no, scored.question_key, cluster, listed.judgement_id, listed.episode_id, listed.attempt,
    listed.judge, listed.mode, held.part, held.probs, held.probs[place] AS p_gold, held.seconds, held.resumed
FROM listed
JOIN scored ON scored.episode_id = listed.episode_id AND scored.attempt = listed.attempt;

-- What was said of solutions and their steps: by an episode's overseer (`labeller` is ''), or by a person afterwards.
CREATE VIEW checks AS
SELECT episode_id, attempt, '' AS labeller, kind, idx, data
FROM annotations
WHERE verdict AND kind IN ('step', 'solution')
UNION ALL
SELECT episode_id, attempt, judge, note.kind, 0, note.data
FROM (
    SELECT
        episode_id, attempt, judge,
        unnest(from_json(labels, '[{"kind": "VARCHAR", "data": "JSON"}]')) AS note
    FROM judgements
    WHERE labels IS NOT NULL
);
