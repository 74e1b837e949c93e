"""Reading a store and making rows of it; what the rows say is worked out by `oversight.stats`."""
