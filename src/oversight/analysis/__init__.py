"""Statistics on judged episodes: plain functions on data frames."""
