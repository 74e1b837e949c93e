"""The Compare page's parts. Everything that was chosen is in the address."""
