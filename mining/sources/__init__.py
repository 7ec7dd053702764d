"""From files to typed values: rows of any usual form, columns by any usual name, nothing lost and nothing guessed."""

from mining.sources.columns import ROLES, Roles, roles_of
from mining.sources.events import event_id_of, read_events
from mining.sources.files import read_rows
from mining.sources.presets import PRESETS, Preset
from mining.sources.products import product_of, read_products
from mining.sources.relations import LABELS, read_relations
from mining.sources.reviews import read_reviews
from mining.sources.rows import OnReject, ReadReport, Row, refuse
from mining.sources.shop import ShopFiles, find_shop_files
from mining.sources.text import plain_text
from mining.sources.values import action_of

__all__ = [
    "LABELS",
    "PRESETS",
    "ROLES",
    "OnReject",
    "Preset",
    "ReadReport",
    "Roles",
    "Row",
    "ShopFiles",
    "action_of",
    "event_id_of",
    "find_shop_files",
    "plain_text",
    "product_of",
    "read_events",
    "read_products",
    "read_relations",
    "read_reviews",
    "read_rows",
    "refuse",
    "roles_of",
]
