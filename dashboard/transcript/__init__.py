"""One transcript, in parts."""
