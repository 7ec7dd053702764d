"""The layouts of public data sets, by name: which columns they have, and the names that some of their files lack."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mining.errors import ConfigurationError
from mining.sources.columns import Kind


@dataclass(frozen=True, slots=True)
class Preset:
    """``roles``: kind → role → columns, the first that is there. ``headers``: the columns, in order, of a delimited
    file of this kind that comes without a header line."""

    name: str
    roles: Mapping[Kind, Mapping[str, tuple[str, ...]]]
    headers: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict)


_OLD_REVIEW = {
    "product": ("asin",),
    "user": ("reviewerID",),
    "text": ("reviewText",),
    "title": ("summary",),
    "rating": ("overall",),
    "time": ("unixReviewTime",),
}
_OLD_EVENT = {
    "product": ("asin", "item"),
    "user": ("reviewerID", "user"),
    "value": ("overall", "rating"),
    "time": ("unixReviewTime", "timestamp"),
}
_NEW_EVENT = {"product": ("parent_asin",), "user": ("user_id",), "value": ("rating",), "time": ("timestamp",)}

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "amazon2014",
            {
                "products": {"id": ("asin",), "category": ("categories",), "images": ("imUrl",)},
                "reviews": _OLD_REVIEW,
                "events": _OLD_EVENT,
                "relations": {"head": ("asin",)},
            },
            {"events": ("user", "item", "rating", "timestamp")},
        ),
        Preset(
            "amazon2018",
            {
                "products": {
                    "id": ("asin",),
                    "category": ("category",),
                    "images": ("imageURLHighRes", "imageURL", "image"),
                },
                "reviews": _OLD_REVIEW,
                "events": _OLD_EVENT,
                "relations": {"head": ("asin",)},
            },
            {"events": ("item", "user", "rating", "timestamp")},  # the item first, unlike 2014
        ),
        Preset(
            "amazon2023",
            {
                "products": {"id": ("parent_asin",), "brand": ("store",), "category": ("categories",)},
                "reviews": {
                    "product": ("parent_asin",),
                    "user": ("user_id",),
                    "text": ("text",),
                    "title": ("title",),
                    "rating": ("rating",),
                    "time": ("timestamp",),
                },
                "events": _NEW_EVENT,
                "relations": {"head": ("parent_asin",)},
            },
        ),
        Preset(
            "retailrocket",
            {
                "events": {
                    "product": ("itemid",),
                    "user": ("visitorid",),
                    "action": ("event",),
                    "time": ("timestamp",),
                }
            },
        ),
    )
}


def preset_of(name: str | None) -> Preset | None:
    """The preset of that name. ConfigurationError names those there are."""
    if name is None:
        return None
    preset = PRESETS.get(name.casefold())
    if preset is None:
        raise ConfigurationError(f"no preset is named {name!r}; there are {', '.join(sorted(PRESETS))}")
    return preset
