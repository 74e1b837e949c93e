-- The first schema. Tables are append-only. `episodes` has the only key and there is no other index:
-- every bug known in DuckDB's log replay needs an UPDATE, an ALTER or a second index.

CREATE TABLE runs (
    run_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    experiment JSON NOT NULL,
    plugins JSON NOT NULL,              -- protocol name -> fingerprint of its code and prompts
    seed BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    oversight_version VARCHAR NOT NULL
);

-- A run's status is its latest event.
CREATE TABLE run_events (
    run_id VARCHAR NOT NULL,
    event_at TIMESTAMPTZ NOT NULL,
    event VARCHAR NOT NULL CHECK (event IN ('started', 'finished', 'interrupted', 'failed')),
    detail JSON
);

-- Every episode that a run asks for; several runs may ask for the same one.
CREATE TABLE plan (
    run_id VARCHAR NOT NULL,
    episode_id VARCHAR NOT NULL,
    arm VARCHAR NOT NULL,
    arm_no INTEGER NOT NULL,            -- the arm's place in the experiment
    task VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    options JSON NOT NULL,
    judge VARCHAR,
    strong VARCHAR,
    question_key VARCHAR NOT NULL,
    repeat INTEGER NOT NULL,
    seed BIGINT NOT NULL,
    sides INTEGER NOT NULL              -- how many sides its assignment has
);

CREATE TABLE questions (
    question_key VARCHAR NOT NULL,
    task VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    answers STRUCT("text" VARCHAR, solution VARCHAR)[] NOT NULL,
    gold INTEGER NOT NULL,              -- a place in `answers`, from 0
    material VARCHAR,
    cluster VARCHAR NOT NULL
);

CREATE TABLE episodes (
    episode_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    run_id VARCHAR NOT NULL,            -- the run that produced it
    arm VARCHAR NOT NULL,
    task VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    protocol_version VARCHAR NOT NULL,
    protocol_key VARCHAR NOT NULL,      -- where a worker finds the plugin
    options JSON NOT NULL,
    models JSON NOT NULL,               -- the cast: role -> model keys (`cast` is a reserved word)
    judge VARCHAR,
    strong VARCHAR,
    question_key VARCHAR NOT NULL,
    answer_order INTEGER[] NOT NULL,    -- for each place presented, the place in `questions.answers`, from 0
    assignment INTEGER[] NOT NULL,
    sides STRUCT(seat VARCHAR, argues INTEGER, against INTEGER, "open" BOOLEAN)[] NOT NULL,
    seed BIGINT NOT NULL,
    repeat INTEGER NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('judged', 'failed')),
    failure VARCHAR,
    detail VARCHAR,
    started_at TIMESTAMPTZ NOT NULL,
    duration_s DOUBLE NOT NULL,
    PRIMARY KEY (episode_id, attempt)
);

CREATE TABLE messages (
    run_id VARCHAR NOT NULL,
    episode_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    author VARCHAR NOT NULL,
    audience VARCHAR[],                 -- NULL: every seat
    kind VARCHAR NOT NULL,
    turn INTEGER,
    branch INTEGER[] NOT NULL,
    "text" VARCHAR,                     -- NULL: the text is `questions.material`
    words_cut INTEGER NOT NULL,
    call INTEGER
);

CREATE TABLE beliefs (
    run_id VARCHAR NOT NULL,
    episode_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    idx INTEGER,                        -- the message that holds it; NULL: the protocol computed it
    seat VARCHAR,
    turn INTEGER,
    final BOOLEAN NOT NULL,             -- the verdict's: exactly one of a judged attempt
    probs DOUBLE[],                     -- in the order presented; NULL: abstained
    source VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    mass DOUBLE
);

CREATE TABLE calls (
    run_id VARCHAR NOT NULL,
    episode_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,           -- the episode's
    number INTEGER NOT NULL,
    call_attempt INTEGER NOT NULL,      -- the call's
    seat VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    purpose VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    resolved_model VARCHAR NOT NULL,
    provider VARCHAR NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cost_usd DOUBLE,                    -- NULL: the price is unknown
    latency_s DOUBLE NOT NULL,
    finish_reason VARCHAR NOT NULL,
    failure VARCHAR,
    detail VARCHAR
);

CREATE TABLE annotations (
    run_id VARCHAR NOT NULL,
    episode_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    message INTEGER,                    -- the message it is about
    idx INTEGER NOT NULL,               -- its place among the verdict's, or among the message's quotes
    verdict BOOLEAN NOT NULL,           -- whether the verdict holds it; quotes are held by their message
    kind VARCHAR NOT NULL,
    data JSON NOT NULL
);

CREATE TABLE judgements (
    judgement_id VARCHAR NOT NULL,
    episode_id VARCHAR NOT NULL,
    judged_at TIMESTAMPTZ NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('human', 'model')),
    judge VARCHAR NOT NULL,
    probs DOUBLE[],
    seconds DOUBLE,
    explanation VARCHAR
);

-- What each attempt used. Its cost is unknown (NULL) if the price of any call is.
CREATE VIEW spending AS
SELECT
    episode_id,
    attempt,
    count(*) AS n_calls,
    sum(prompt_tokens)::BIGINT AS prompt_tokens,
    sum(completion_tokens)::BIGINT AS completion_tokens,
    sum(cached_tokens)::BIGINT AS cached_tokens,
    CASE WHEN count(cost_usd) = count(*) THEN sum(cost_usd) END AS cost_usd
FROM calls
GROUP BY episode_id, attempt;

-- What became of every planned episode. The attempt that counts is the first judged one, else the last.
CREATE VIEW outcomes AS
WITH counted AS (
    SELECT episode_id, coalesce(min(attempt) FILTER (status = 'judged'), max(attempt)) AS attempt
    FROM episodes
    GROUP BY episode_id
)
SELECT
    plan.*,
    coalesce(episodes.status, 'pending') AS status,
    episodes.attempt,
    episodes.failure,
    episodes.answer_order,
    episodes.assignment,
    episodes.sides AS seats,
    episodes.started_at,
    episodes.duration_s
FROM plan
LEFT JOIN counted ON counted.episode_id = plan.episode_id
LEFT JOIN episodes ON episodes.episode_id = counted.episode_id AND episodes.attempt = counted.attempt;

-- The same with scores, NULL where there is no verdict. `place` is the gold answer's, presented, from 1.
CREATE VIEW scored AS
WITH believed AS (
    SELECT
        outcomes.*,
        questions.cluster,
        beliefs.probs,
        beliefs.source AS belief_source,
        beliefs.status = 'abstained' AS abstained,
        list_position(outcomes.answer_order, questions.gold) AS place,
        beliefs.probs[list_position(outcomes.answer_order, questions.gold)] AS p_gold
    FROM outcomes
    LEFT JOIN questions ON questions.question_key = outcomes.question_key
    LEFT JOIN beliefs ON beliefs.episode_id = outcomes.episode_id AND beliefs.attempt = outcomes.attempt AND beliefs.final
)
SELECT
    *,
    list_filter(seats, lambda side: side.argues = place - 1)[1].seat AS honest,
    len(assignment) >= 2 AND NOT list_contains(assignment, place - 1) AS void,
    len(list_filter(probs, lambda p: p >= p_gold)) = 1 AS correct,
    p_gold = list_max(probs) AND len(list_filter(probs, lambda p: p >= p_gold)) > 1 AS tie,
    list_max(probs) AS confidence,
    list_sum(list_transform(probs, lambda p, i: (p - (i = place)::INTEGER) ** 2)) / 2 AS brier,
    log2(CASE WHEN p_gold < 1e-6 THEN 1e-6 ELSE p_gold END) AS log_score
FROM believed;

-- One scored row for every judged planned episode; calls and cost are those of the judged attempt.
CREATE VIEW results AS
SELECT
    run_id, arm, arm_no, task, protocol, options, judge, strong,
    scored.episode_id, scored.attempt, question_key, cluster, repeat, seed,
    honest, void, abstained, p_gold, correct, tie, confidence, brier, log_score, belief_source,
    coalesce(n_calls, 0) AS n_calls,
    coalesce(prompt_tokens, 0) AS prompt_tokens,
    coalesce(completion_tokens, 0) AS completion_tokens,
    coalesce(cached_tokens, 0) AS cached_tokens,
    CASE WHEN n_calls IS NULL THEN 0 ELSE cost_usd END AS cost_usd,
    duration_s
FROM scored
LEFT JOIN spending ON spending.episode_id = scored.episode_id AND spending.attempt = scored.attempt
WHERE scored.status = 'judged';

-- Every planned episode with its scores, whether it counts, and the calls and cost of all its attempts, so that
-- what failures cost is counted. A judged episode is void, or else abstained, or else it counts.
CREATE VIEW tally AS
WITH spent AS (
    SELECT
        episode_id,
        count(*) AS calls,
        CASE WHEN count(cost_usd) = count(*) THEN sum(cost_usd) END AS cost_usd
    FROM calls
    GROUP BY episode_id
)
SELECT
    scored.*,
    status = 'judged' AND NOT void AND NOT abstained AS counts,
    coalesce(calls, 0) AS calls,
    CASE WHEN calls IS NULL THEN 0 ELSE cost_usd END AS cost_usd
FROM scored
LEFT JOIN spent ON spent.episode_id = scored.episode_id;

-- One row per arm; the means are over the `n` episodes that count.
CREATE VIEW accuracy AS
SELECT
    run_id, arm, arm_no, task, protocol, options, judge, strong,
    count(*) AS n_asked,
    count(*) FILTER (status = 'judged') AS n_judged,
    count(*) FILTER (status = 'failed') AS n_failed,
    count(*) FILTER (status = 'pending') AS n_pending,
    count(*) FILTER (status = 'judged' AND abstained AND NOT void) AS n_abstained,
    count(*) FILTER (status = 'judged' AND void) AS n_void,
    count(*) FILTER (counts) AS n,
    count(*) FILTER (counts AND correct) AS correct,
    avg(correct::INTEGER) FILTER (counts) AS accuracy,
    avg(brier) FILTER (counts) AS brier,
    avg(log_score) FILTER (counts) AS log_score,
    sum(calls)::BIGINT AS calls,
    CASE WHEN count(cost_usd) = count(*) THEN sum(cost_usd) END AS cost_usd
FROM tally
GROUP BY run_id, arm, arm_no, task, protocol, options, judge, strong;
