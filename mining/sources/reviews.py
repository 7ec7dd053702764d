"""Reviews from files, decoded like the catalogue's texts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from kg.types import Timestamp
from mining.sources.reading import Fields, Request, read_typed
from mining.sources.rows import OnReject, ReadReport
from mining.sources.shop import file_of
from mining.sources.text import plain_text, title_text
from mining.sources.values import BadRow, id_of, optional_id, time_of
from mining.types import Review


def read_reviews(
    path: Path | str,
    *,
    on_reject: OnReject,
    columns: Mapping[str, str] | None = None,
    preset: str | None = None,
    encoding: str | None = None,
    report: ReadReport | None = None,
) -> Iterator[Review]:
    """The reviews of a file, or of a shop folder, in file order; those without any text are set aside.

    An id that the file lacks is made of (user, product, time, title, text, how many the same before). Raises
    SourceError, ColumnError.
    """
    request = Request(
        file_of(Path(path), "reviews"),
        "reviews",
        on_reject,
        columns,
        preset,
        encoding,
        ReadReport() if report is None else report,
    )
    return read_typed(request, _Reviews().read)


@dataclass(slots=True)
class _Reviews:
    repeats: dict[int, int] = field(default_factory=dict)

    def read(self, fields: Fields) -> tuple[Review]:
        product = id_of(fields.get("product"), "product id")
        title, text = title_text(fields.get("title")), plain_text(fields.get("text"))
        if not title and not text:
            raise BadRow("review without text")
        user = optional_id(fields.get("user"), "user id")
        at: Timestamp | None = fields.parsed("time", time_of, None)
        given = optional_id(fields.get("id"), "review id")
        review_id = given or self._id("\x1f".join((user or "", product, str(at), title, text)))
        return (Review(review_id, product, text, title, user, fields.number("rating"), at),)

    def _id(self, content: str) -> str:
        digest = blake2b(content.encode(), digest_size=16).digest()
        key = int.from_bytes(digest[:8], "big")
        repeat = self.repeats.get(key, 0)
        self.repeats[key] = repeat + 1
        return blake2b(digest + str(repeat).encode(), digest_size=16).hexdigest() if repeat else digest.hex()
