"""What Streamlit runs. The page at ``/NAME`` is the function ``page()`` of the module ``NAME_page``."""

from __future__ import annotations

from importlib import import_module

__all__ = ["PAGES"]

PAGES = (
    ("runs", "Runs"),
    ("results", "Results"),
    ("transcripts", "Transcripts"),
    ("compare", "Compare"),
    ("judge", "Judge"),
    ("protocols", "Protocols"),
)
"""Module and title, in the order of the navigation; a module that is not there is left out."""

if __name__ == "__main__":
    # Streamlit runs this file as a script, outside its package.
    import_module("oversight.dashboard.shell").show(PAGES)
