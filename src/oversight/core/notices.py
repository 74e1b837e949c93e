"""How the notices of a reply begin: what is odd about a reply that is used all the same."""

from __future__ import annotations

__all__ = ["LEFT_OUT", "NO_PROBS", "NO_USAGE", "THINKING"]

NO_USAGE = "token usage is unknown"
NO_PROBS = "token probabilities are not used"
LEFT_OUT = "left out from now on"
THINKING = "the model was thinking"
"""Why there are no probabilities: the first token is a thought's, and says nothing of the answer."""
