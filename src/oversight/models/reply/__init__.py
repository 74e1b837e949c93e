"""The one place that reads a reply: what a provider sent, as a checked `oversight.core.chat.ChatReply`.

`completion` reads a provider's JSON, whichever transport brought it; `check` holds every reply, also one from a
model that runs here or from the record, to what a reply can be: thought split off, probabilities and counts that
can be true, a failure class where it is of no use. What a reply says about the answers is read afterwards, in
`oversight.prompting`.
"""

from oversight.models.reply.check import ask, check_reply
from oversight.models.reply.completion import Completion, read_completion

__all__ = ["Completion", "ask", "check_reply", "read_completion"]
