"""What the shop knows, and why it is believed: the nouns, the schema, the stores, the event log.

Imports nothing of ours.
"""
