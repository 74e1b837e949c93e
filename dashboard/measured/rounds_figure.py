"""How the models of an iterated run did, round by round."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from oversight.reports.plots import accuracy_over_rounds

from .. import data, untrusted
from ..data import Stamp
from . import figure

__all__ = ["show"]

_NAMES = {"pgr": "PGR"}
_MEANINGS = {
    "alone": "accuracy of the model of this round, asked by itself",
    "amplified": "accuracy of an overseer who divides questions and asks that model the parts",
    "ceiling": "accuracy of a model trained on true answers",
    "pgr": "performance gap recovered: (alone - X_0) / (ceiling - X_0)",
    "difficulty": "the hardest that was trained on in this round, as the curriculum counts it",
    "agreement": "share of the training answers to the hardest questions that the model before agreed with",
    "rows": "what the model of this round was trained on",
}


def show(at: Stamp) -> None:
    """Show it."""
    scores = data.round_accuracies(at)
    if not scores:
        st.info("No round of this run has been evaluated yet.")
        return
    numbers = pd.DataFrame([each._asdict() for each in scores])
    note = "Held-out questions. Bands: 95 %, wilson, each question counted by itself."
    figure.show(accuracy_over_rounds(scores), numbers, name="rounds", note=note)
    frame = pd.DataFrame([row._asdict() for row in data.round_rows(at)]).drop(columns="run")
    column = st.column_config
    untrusted.table(
        frame.dropna(axis="columns", how="all"),
        key="rounds-table",
        column_config={
            **{
                name: column.NumberColumn(_NAMES.get(name), format="%.3f", width=95, help=_MEANINGS.get(name))
                for name in ("alone", "amplified", "ceiling", "pgr", "agreement")
            },
            **{
                name: column.NumberColumn(format="localized", width=80, help=_MEANINGS.get(name))
                for name in ("round", "n", "difficulty", "rows")
            },
        },
    )
