"""Measures: plain functions on arrays or on one data frame, which know nothing of the store.

Most take the *verdicts table* that `oversight.reports.verdicts.verdicts` makes, one row for each judged
transcript; docs/measures.md says what each means, and when it misleads.
"""
