"""What the front door can refuse, and the one table from exception to problem+json (RFC 9457).

FrontDoorError
├── WorkspaceError       a folder that is no workspace, or of another format
│   └── WorkspaceLocked      another process writes it
├── NotTrained           there is no model yet
├── ReadOnly             a service that takes no products in
└── MissingExtra         an optional part is not installed
"""

from collections.abc import Mapping

from kg.errors import (
    EventError,
    EvidenceError,
    FormatError,
    KGError,
    SchemaError,
    StoreAuthError,
    StoreLocked,
    StoreUnavailable,
    StoreUrlError,
    UnknownDocument,
    UnknownEntity,
)
from recommender.errors import FilterError, LeakageError, RecommenderError, RuleError, UnknownProduct


class FrontDoorError(Exception):
    """Root of the errors of this room."""


class WorkspaceError(FrontDoorError):
    """A folder that is no workspace, or one of another format."""


class WorkspaceLocked(WorkspaceError):
    """Another process writes this workspace."""


class NotTrained(FrontDoorError):
    """There is no model yet."""


class ReadOnly(FrontDoorError):
    """A service that takes no products in."""


class MissingExtra(FrontDoorError):
    """An optional part is not installed."""


# exception → (status, code, title); the most specific class speaks, the three roots for all that is not named here
PROBLEMS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (UnknownEntity, 404, "unknown_entity", "There is no such entity"),
    (UnknownDocument, 404, "unknown_document", "There is no such document"),
    (UnknownProduct, 404, "unknown_product", "The model knows no such product"),
    (FilterError, 422, "invalid_filter", "The filter cannot be met"),
    (LeakageError, 422, "as_of", "The model knows more than the moment allows"),
    (EventError, 422, "invalid_event", "The event cannot be taken"),
    (SchemaError, 422, "schema", "The schema does not allow this"),
    (EvidenceError, 422, "evidence", "The evidence does not hold"),
    (StoreUrlError, 500, "store_url", "The store URL is not understood"),
    (StoreAuthError, 503, "store_auth", "The graph store refused the credentials"),
    (StoreLocked, 503, "store_locked", "Another writer holds the graph store"),
    (StoreUnavailable, 503, "store_unavailable", "The graph store cannot be reached"),
    (FormatError, 500, "format", "The data has another format version"),
    (NotTrained, 503, "not_trained", "There is no model yet"),
    (ReadOnly, 503, "read_only", "The service takes nothing in"),
    (WorkspaceLocked, 503, "workspace_locked", "Another process writes the workspace"),
    (WorkspaceError, 500, "workspace", "The workspace cannot be used"),
    (MissingExtra, 501, "missing_extra", "An optional part is not installed"),
    (RuleError, 500, "rules", "The business rules cannot be followed"),
    (KGError, 500, "graph", "The graph cannot answer"),
    (RecommenderError, 500, "recommender", "The model cannot answer"),
    (FrontDoorError, 500, "service", "The service cannot answer"),
)

PUBLIC: Mapping[type[Exception], str] = {
    StoreAuthError: "the graph or the event log refuses the service; its operator finds why in the log",
    StoreUnavailable: "the graph or the event log cannot be reached; send it again later",
    StoreLocked: "the graph is being written by another process; send it again",
    NotTrained: "this shop serves no model yet: run `shopgraph train` first",
    WorkspaceLocked: "the shop is being written by another process; send it again",
}
"""What the world hears of errors whose own sentence names our hosts, paths and processes: that one goes to the log."""
