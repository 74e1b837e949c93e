"""What plugin authors test with: scripted models, a conformance check, a loopback API server."""
