"""From documents to quoted facts: each module here is one way of reading, and all keep the laws of ``Extractor``."""
