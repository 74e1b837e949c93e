"""Chat models behind one interface. Only ``litellm_model`` knows LiteLLM."""
