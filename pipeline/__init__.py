"""tailgate: gates releases on their latency tail."""

__version__ = "0.1.0"
