"""What can go wrong in the graph.

KGError
├── UnknownEntity        no entity has this id
├── UnknownDocument      no document has this id
├── SchemaError          a fact, entity or schema file breaks the schema
├── EvidenceError        a fact without evidence, or a quote that is not in its text
├── FormatError          a file or database of another format version, or not ours at all
├── StoreUrlError        a store URL nobody understands
├── EventError           an event that the log cannot take
└── StoreUnavailable     the backend cannot be reached, or refused us
    ├── StoreAuthError       credentials missing or wrong
    └── StoreLocked          another writer holds the store

Every message says what was seen, what was expected and what to do. Foreign exceptions are translated once, at the
border of the store, with ``raise ... from``.
"""


class KGError(Exception):
    """Root of every error that the graph raises."""


class UnknownEntity(KGError, KeyError):
    """No entity has this id."""

    def __init__(self, entity_id: str) -> None:
        super().__init__(f"no entity has the id {entity_id!r}")
        self.entity_id = entity_id

    def __str__(self) -> str:  # KeyError would print the repr of its argument
        return str(self.args[0])


class UnknownDocument(KGError, KeyError):
    """No document has this id."""

    def __init__(self, document_id: str) -> None:
        super().__init__(f"no document has the id {document_id!r}")
        self.document_id = document_id

    def __str__(self) -> str:
        return str(self.args[0])


class SchemaError(KGError, ValueError):
    """A fact, an entity or a schema file breaks the schema."""


class EvidenceError(KGError, ValueError):
    """A fact without evidence, or evidence whose quote is not where it says it is."""


class FormatError(KGError, ValueError):
    """A file or database of another format version, or one that is not ours."""


class StoreUrlError(KGError, ValueError):
    """A store URL that no store understands."""


class EventError(KGError, ValueError):
    """An event that the log cannot take."""


class StoreUnavailable(KGError, ConnectionError):
    """The store's backend cannot be reached, or refused us."""


class StoreAuthError(StoreUnavailable):
    """Credentials are missing or wrong."""


class StoreLocked(StoreUnavailable):
    """Another writer holds the store."""
