"""Models that run here, offline and for real: a weak judge that learned, and a debater that plays exactly."""
