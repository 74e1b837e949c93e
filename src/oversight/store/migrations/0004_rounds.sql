-- What became of each phase of an iterated experiment's rounds. A phase is stored when it has ended, and not again.
CREATE TABLE rounds (
    run_id VARCHAR NOT NULL,
    round INTEGER NOT NULL,             -- 0: the model before any distillation
    phase VARCHAR NOT NULL CHECK (phase IN ('amplified', 'distilled', 'evaluated')),
    data JSON NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL
);

-- One row for each model that a round was evaluated with: X_k alone, amplified, and the supervised ceiling. `part` is
-- a level of difficulty, or 'overall'.
CREATE VIEW round_scores AS
WITH listed AS (
    SELECT
        run_id, round, ended_at,
        unnest(from_json(data -> 'scores', '[{"who": "VARCHAR", "part": "VARCHAR", "correct": "INTEGER", "n": "INTEGER"}]')) AS score
    FROM rounds
    WHERE phase = 'evaluated'
)
SELECT run_id, round, ended_at, score.who, score.part, score.correct, score.n FROM listed;
