"""Interchangeable stores behind one protocol; see ``kg.store`` and ``kg.stores.opening``."""

from kg.stores.opening import open_store

__all__ = ["open_store"]
