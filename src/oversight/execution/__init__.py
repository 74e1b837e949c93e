"""Running experiments: planning is done, this is where episodes are carried out and stored."""
