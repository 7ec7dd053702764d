"""What the front door can refuse, and the one table from exception to problem+json (RFC 9457).

FrontDoorError
├── WorkspaceError       a folder that is no workspace, or of another format
│   └── WorkspaceLocked      another process writes it
├── NotTrained           there is no model yet
└── MissingExtra         an optional part is not installed
"""

from kg.errors import (
    EventError,
    EvidenceError,
    FormatError,
    SchemaError,
    StoreAuthError,
    StoreLocked,
    StoreUnavailable,
    StoreUrlError,
    UnknownDocument,
    UnknownEntity,
)


class FrontDoorError(Exception):
    """Root of the errors of this room."""


class WorkspaceError(FrontDoorError):
    """A folder that is no workspace, or one of another format."""


class WorkspaceLocked(WorkspaceError):
    """Another process writes this workspace."""


class NotTrained(FrontDoorError):
    """There is no model yet."""


class MissingExtra(FrontDoorError):
    """An optional part is not installed."""


# exception → (status, code, title); the first class in order that matches speaks
PROBLEMS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (UnknownEntity, 404, "unknown_entity", "There is no such entity"),
    (UnknownDocument, 404, "unknown_document", "There is no such document"),
    (EventError, 422, "invalid_event", "The event cannot be taken"),
    (SchemaError, 422, "schema", "The schema does not allow this"),
    (EvidenceError, 422, "evidence", "The evidence does not hold"),
    (StoreUrlError, 422, "store_url", "The store URL is not understood"),
    (StoreAuthError, 503, "store_auth", "The graph store refused the credentials"),
    (StoreLocked, 503, "store_locked", "Another writer holds the graph store"),
    (StoreUnavailable, 503, "store_unavailable", "The graph store cannot be reached"),
    (FormatError, 500, "format", "The data has another format version"),
    (NotTrained, 503, "not_trained", "There is no model yet"),
)
