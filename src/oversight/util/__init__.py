"""Helpers that know nothing of experiments: signals, other processes, folders for sockets."""
