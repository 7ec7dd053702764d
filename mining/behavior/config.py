"""The knobs of behaviour mining, each with its unit and its reason."""

from dataclasses import dataclass

from kg.types import Action
from mining.errors import ConfigurationError

DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviorConfig:
    """Times are seconds. Raises ConfigurationError where a value makes no sense."""

    view_actions: tuple[Action, ...] = ("view", "click")
    """What counts as looking. A cart is an intention to buy: as a view it would hide substitutes."""
    buy_actions: tuple[Action, ...] = ("purchase",)
    fallback_buy_actions: tuple[Action, ...] = ("rating",)
    """Read as purchases where the log holds none: who rates has bought (Amazon reviews). Never both: one purchase
    would be counted twice, at two times."""

    session_gap: int = 30 * 60
    """Silence that ends a session without an id: the usual 30 minutes of web analytics."""
    basket_gap: int = 60 * 60
    """Silence that ends a basket: one checkout, one forgotten item included. Shorter than a day, so that a log of
    whole days has one basket a day."""
    user_window: int = 30 * DAY
    """Where checkouts are single items, a basket is what one user bought in such a window (cut at multiples of it)."""
    min_joint_share: float = 0.1
    """The user window is taken where fewer purchases than this share a basket with another product."""
    after_window: int = 90 * DAY
    """How long after a purchase the next one may still follow from it: a season."""
    after_baskets: int = 5
    """How many baskets back bought-after looks; bounds the pairs of a heavy buyer."""

    max_basket: int = 50
    """Distinct products. Larger baskets and sessions are resellers, imports and crawlers: skipped whole and counted,
    because their pairs grow with the square and say little each."""
    min_support: int = 2
    min_users: int = 2
    """Distinct people behind a pair: one person's taste is no fact about two products, and nobody's to publish."""
    min_confidence: float = 0.1
    """A pair that chance explains is no fact. See ``cooccurrence.scored`` for the scale."""
    z: float = 2.33
    """One-sided 99 % bounds: a product has hundreds of candidates, and at 95 % chance would place some of them."""
    half_life: int = 365 * DAY
    """Age at which a basket counts half. A year: Christmas goods come back. Age is measured from the last event."""
    top: int = 20
    """Pairs kept per product and relation; a pair stays if either side keeps it."""

    burst_alarms: float = 0.01
    """Share of false ones among the pairs that ``bursts`` finds to be made by empty accounts; 0 does not look."""
    burst_windows: tuple[int, ...] = (DAY, 7 * DAY, 30 * DAY)
    """Lengths of a burst. Whoever spreads fakes over more than a month pays for patience."""
    lone_products: int = 3
    """An account that has met no more than so many products has no life beside a pair."""
    new_account: int = DAY

    memory_limit: str = "1GB"
    """For DuckDB; what is larger is spilled to ``spill_dir``."""
    threads: int = 2

    def __post_init__(self) -> None:
        positive = ("session_gap", "basket_gap", "user_window", "after_window", "after_baskets", "min_support")
        for name in (*positive, "min_users", "half_life", "top", "threads"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"BehaviorConfig.{name} is {getattr(self, name)}; expected at least 1")
        if not 0 <= self.burst_alarms < 1 or not self.burst_windows or min(self.burst_windows) < 1:
            raise ConfigurationError("BehaviorConfig: burst_alarms lies in [0, 1), burst_windows are above 0")
        if self.max_basket < 2:
            raise ConfigurationError(f"BehaviorConfig.max_basket is {self.max_basket}; a pair needs at least 2")
        if not (0 <= self.min_confidence <= 1 and 0 <= self.min_joint_share <= 1 and self.z > 0):
            raise ConfigurationError("BehaviorConfig: min_confidence and min_joint_share lie in [0, 1], z above 0")
