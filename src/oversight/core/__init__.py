"""The parts of an episode: its limits, its branches, its verbs, and what a protocol may do with them."""
