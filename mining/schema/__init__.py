"""Schemas of a shop: read from files, checked line by line, and proposed from a catalogue."""
