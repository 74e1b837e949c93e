"""The protocols that ship with oversight, registered by entry point like any other plugin."""
