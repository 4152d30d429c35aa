"""Everything that brings telemetry in."""
