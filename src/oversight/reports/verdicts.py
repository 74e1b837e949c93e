"""The verdicts table: one row for each judged transcript, with all that the measures need to know of it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from oversight.store import Store

__all__ = ["judgements", "verdicts"]

_NUMBERS = (
    *("p_gold", "confidence", "brier", "log_score", "prior", "chosen", "assigned"),
    *("prompt_tokens", "completion_tokens", "cost_usd"),
)
_FLAGS = ("correct", "tie", "abstained", "void", "counts")


def verdicts(store: Store, runs: Sequence[str] = ()) -> pd.DataFrame:
    """One row for each judged episode of some runs, by default of all; an episode that two runs planned has two.

    Places count the answers from 0, in the order presented. Lists over seats have one entry for each seat that
    argues, in the order in which they were seated; the other lists say themselves what they run over.

    Columns:
        run, arm, arm_no, task, protocol, options, judge, strong: what the episode belongs to; ``arm_no`` is the arm's
            place, ``options`` is JSON.
        question, cluster: its key, and what it shares with other questions: intervals resample clusters.
        seed, repeat, episode, attempt: which transcript it is.
        belief_source: how the verdict was read: logprob, stated, sampled or computed.
        answers: how many the question has.
        probs: the judge's last belief, one probability for each answer; None if it abstained.
        gold, chosen: the places of the right answer, and of the one that alone got the highest probability (NaN
            where there is none).
        p_gold, confidence: the right answer's probability, and the highest.
        correct, tie: the right answer alone got the highest; it shared it. Both are false where it abstained.
        brier, log_score: half the summed squared error; log2 of ``p_gold``, which is clipped at 1e-6.
        abstained, void: the judge gave no belief; no side of the contest argues the right answer.
        counts: neither of these, so that the verdict counts in measures of the judge.
        honest: the seat that argues the right answer, ``none`` if no seat does.
        seats, argues, models: the seats that argue, the place each argues for (None: anything but its opponent's),
            and the model that spoke.
        defends: the same as places in the question as it is stored, which no draw of an order changes.
        assigned: the place argued for by the only seat that argues; NaN where there is another or none.
        chars: the characters of what each seat said to everybody.
        named: the place of the first answer that each seat's speeches name as right; None if they name none. Only
            "the answer is A" and "answer: A" in English are recognised.
        rounds: turns in which a seat that argues spoke to everybody.
        prior: the right answer's probability in the judge's belief before the first of these; NaN without one.
        beliefs: that probability in each belief that the judge held before its last, None where it abstained.
        calls, prompt_tokens, completion_tokens, cost_usd: of every attempt; tokens are NaN if a count is unknown, cost
            is if a price is.
    """
    table = store.arrow(_VERDICTS, [list(runs), list(runs)])
    lists = [field.name for field in table.schema if pa.types.is_list(field.type)]
    found: pd.DataFrame = table.drop_columns(lists).to_pandas()
    for name in lists:  # pandas would make arrays of them, with NaN for None in some and not in others
        found[name] = table[name].to_pylist()
    for column in _NUMBERS:
        found[column] = found[column].astype("float64")
    for column in _FLAGS:
        found[column] = found[column].astype("bool")
    return found


def judgements(store: Store, runs: Sequence[str] = ()) -> pd.DataFrame:
    """Who else judged the transcripts of some runs, beside their own judges: one row for each judgement.

    Void contests and judges that abstained or failed are not in it.

    Columns:
        run, arm, episode, question, cluster: the transcript.
        judge: who judged; with ``first`` the judge who decided when it was made.
        chosen: the place of the answer that alone got the highest probability; NaN where there is none.
        p_gold: the right answer's probability.
    """
    found = store.sql(_JUDGEMENTS, [list(runs)] * 4)
    return found.astype({"chosen": "float64", "p_gold": "float64", "first": "bool"})


# The messages, beliefs and calls of an attempt are stored once, however many runs planned it.
_VERDICTS = """
WITH judged AS MATERIALIZED (
    SELECT * FROM tally
    WHERE status = 'judged' AND (len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], run_id))
),
attempts AS MATERIALIZED (
    SELECT DISTINCT ON (episode_id, attempt) episode_id, attempt, place, seats, answer_order FROM judged
),
sides AS (
    SELECT episode_id, attempt, answer_order, unnest(seats) AS side, generate_subscripts(seats, 1) AS no FROM attempts
),
speeches AS (
    SELECT episode_id, attempt, author AS seat, idx, turn, length("text") AS chars,
        regexp_extract("text", '(?i:answer(?: is|:))\\s+[(\\["“]?([A-Z])\\b', 1) AS named
    FROM messages SEMI JOIN attempts USING (episode_id, attempt)
    WHERE kind = 'speech' AND audience IS NULL
),
said AS (
    SELECT episode_id, attempt, seat, sum(chars) AS chars, min(idx) AS began,
        arg_min(named, idx) FILTER (named <> '') AS named
    FROM speeches GROUP BY episode_id, attempt, seat
),
spoke AS (
    SELECT episode_id, attempt, seat, min(model) AS model
    FROM calls SEMI JOIN attempts USING (episode_id, attempt) GROUP BY episode_id, attempt, seat
),
argued AS (
    SELECT sides.episode_id, sides.attempt,
        list(side.seat ORDER BY no) AS seats,
        list(side.argues ORDER BY no) AS argues,
        list(answer_order[side.argues + 1] ORDER BY no) AS defends,
        list(spoke.model ORDER BY no) AS models,
        list(coalesce(chars, 0)::BIGINT ORDER BY no) AS chars,
        list(ascii(named) - ascii('A') ORDER BY no) AS named,
        min(began) AS began
    FROM sides
    LEFT JOIN said ON said.episode_id = sides.episode_id AND said.attempt = sides.attempt
        AND said.seat = side.seat
    LEFT JOIN spoke ON spoke.episode_id = sides.episode_id AND spoke.attempt = sides.attempt
        AND spoke.seat = side.seat
    GROUP BY sides.episode_id, sides.attempt
),
rounds AS (
    SELECT speeches.episode_id, speeches.attempt, count(DISTINCT turn) AS rounds
    FROM speeches
    JOIN sides ON sides.episode_id = speeches.episode_id AND sides.attempt = speeches.attempt
        AND sides.side.seat = speeches.seat
    GROUP BY ALL
),
held AS (
    SELECT attempts.episode_id, attempts.attempt,
        list(beliefs.probs[place] ORDER BY beliefs.idx) AS beliefs,
        arg_min(beliefs.probs[place], beliefs.idx) FILTER (beliefs.idx < began) AS prior
    FROM attempts
    JOIN beliefs AS last ON last.episode_id = attempts.episode_id AND last.attempt = attempts.attempt AND last.final
    JOIN beliefs ON beliefs.episode_id = last.episode_id AND beliefs.attempt = last.attempt
        AND beliefs.seat = last.seat AND NOT beliefs.final
    LEFT JOIN argued ON argued.episode_id = attempts.episode_id AND argued.attempt = attempts.attempt
    GROUP BY ALL
)
SELECT
    run_id AS run, arm, arm_no, task, protocol, options::VARCHAR AS options, judge, strong,
    question_key AS question, cluster, seed, repeat,
    judged.episode_id AS episode, judged.attempt, belief_source,
    len(answer_order) AS answers, probs, place - 1 AS gold,
    CASE WHEN len(list_filter(probs, lambda p: p = confidence)) = 1
        THEN list_position(probs, confidence) - 1 END AS chosen,
    p_gold, confidence, coalesce(correct, false) AS correct, coalesce(tie, false) AS tie, brier, log_score,
    abstained, coalesce(void, false) AS void, counts, coalesce(honest, 'none') AS honest,
    coalesce(argued.seats, []) AS seats, coalesce(argued.argues, []) AS argues,
    coalesce(defends, []) AS defends, coalesce(models, []) AS models,
    CASE WHEN len(argued.argues) = 1 THEN argued.argues[1] END AS assigned,
    coalesce(chars, []) AS chars, coalesce(named, []) AS named,
    coalesce(rounds, 0) AS rounds, prior, coalesce(beliefs, []) AS beliefs,
    calls, prompt_tokens, completion_tokens, cost_usd
FROM judged
LEFT JOIN argued ON argued.episode_id = judged.episode_id AND argued.attempt = judged.attempt
LEFT JOIN rounds ON rounds.episode_id = judged.episode_id AND rounds.attempt = judged.attempt
LEFT JOIN held ON held.episode_id = judged.episode_id AND held.attempt = judged.attempt
ORDER BY run_id, arm_no, question_key, seed, repeat, judged.episode_id
"""

_JUDGEMENTS = """
WITH every AS (
    SELECT run_id, arm_no, arm, episode_id, question_key, cluster, judge, true AS first, probs, p_gold
    FROM scored
    WHERE status = 'judged' AND NOT void AND (len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], run_id))
    UNION ALL
    SELECT run_id, arm_no, arm, episode_id, question_key, cluster, judge, false AS first, probs, p_gold
    FROM rejudged
    WHERE status = 'judged' AND NOT void AND (len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], run_id))
)
SELECT
    run_id AS run, arm, episode_id AS episode, question_key AS question, cluster,
    coalesce(judge, 'judge') AS judge, first,
    CASE WHEN len(list_filter(probs, lambda p: p = list_max(probs))) = 1
        THEN list_position(probs, list_max(probs)) - 1 END AS chosen,
    p_gold
FROM every
WHERE probs IS NOT NULL
ORDER BY run_id, arm_no, episode_id, first DESC, judge
"""
