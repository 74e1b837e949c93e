"""Between the seats and the models: completed calls are kept, limits and budgets held, for all workers of a run."""
