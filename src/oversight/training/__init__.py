"""Amplify, distil, repeat: what is trained on, how, and the rounds of it."""
