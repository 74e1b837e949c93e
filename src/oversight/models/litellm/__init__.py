"""Models that LiteLLM serves. Only ``library`` imports LiteLLM."""
