"""The models of the sparse-pixel game: a judge that knows a few pixels, and debaters that play it perfectly."""
