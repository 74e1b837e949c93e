"""The only place of the dashboard that reads the store."""

from .access import Moment, cached, directory, exists, live, moment, select, store
from .compare import ArmOf, Asked, arms_of_all, asked, find_questions, prompts_of, run_settings, standings
from .episodes import (
    OUTCOMES,
    Filter,
    Listed,
    Listing,
    Neighbours,
    Offered,
    find_run,
    list_episodes,
    neighbours,
    offered,
    producers,
)
from .runs import ArmRow, RunRow, arm_rows, round_accuracies, run_names, run_rows
from .search import Hits, search
from .transcript import find_attempts, settings_of, transcript

__all__ = [
    "OUTCOMES",
    "ArmOf",
    "ArmRow",
    "Asked",
    "Filter",
    "Hits",
    "Listed",
    "Listing",
    "Moment",
    "Neighbours",
    "Offered",
    "RunRow",
    "arm_rows",
    "arms_of_all",
    "asked",
    "cached",
    "directory",
    "exists",
    "find_attempts",
    "find_questions",
    "find_run",
    "list_episodes",
    "live",
    "moment",
    "neighbours",
    "offered",
    "producers",
    "prompts_of",
    "round_accuracies",
    "run_names",
    "run_rows",
    "run_settings",
    "search",
    "select",
    "settings_of",
    "standings",
    "store",
    "transcript",
]
