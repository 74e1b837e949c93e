"""Experiment files, and the list of episodes that each stands for."""
