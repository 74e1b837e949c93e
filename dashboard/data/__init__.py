"""The only place of the dashboard that reads the store."""

from .access import Moment, cached, directory, exists, live, moment, select, store
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
    "ArmRow",
    "Filter",
    "Hits",
    "Listed",
    "Listing",
    "Moment",
    "Neighbours",
    "Offered",
    "RunRow",
    "arm_rows",
    "cached",
    "directory",
    "exists",
    "find_attempts",
    "find_run",
    "list_episodes",
    "live",
    "moment",
    "neighbours",
    "offered",
    "producers",
    "round_accuracies",
    "run_names",
    "run_rows",
    "search",
    "select",
    "settings_of",
    "store",
    "transcript",
]
