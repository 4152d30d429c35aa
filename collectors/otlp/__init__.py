"""The live OTLP receiver: server, journal and landing."""
