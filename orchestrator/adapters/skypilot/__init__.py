"""Machines of other providers, rented through SkyPilot's API server over HTTP. SkyPilot itself is never imported."""
