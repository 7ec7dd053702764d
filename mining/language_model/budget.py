"""What a run may spend on a language model, enforced before each request is sent.

A request is let through only if its worst case (every byte a token, every allowed output token used) still fits; what
it really used replaces the worst case afterwards. So a limit is never passed, and up to one request's worst case of it
may stay unspent.
"""

import re
import threading
from dataclasses import dataclass
from typing import Literal

from mining.errors import BudgetExhausted, ConfigurationError
from mining.language_model.types import Prompt, Usage

Unit = Literal["products", "tokens", "usd"]

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(products?|tokens?|usd)", re.IGNORECASE)
_UNITS: dict[str, Unit] = {"product": "products", "products": "products", "token": "tokens", "tokens": "tokens"}


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / 1e6

    @classmethod
    def parse(cls, text: str) -> "Price":
        """``0.15,0.60``: dollars per million prompt and completion tokens."""
        parts = text.split(",")
        try:
            prompt, completion = (float(part) for part in parts)
        except ValueError as error:
            raise ConfigurationError(
                f"a price is two numbers, dollars per million prompt and completion tokens, such as 0.15,0.60; "
                f"got {text!r}"
            ) from error
        if not (0 <= prompt < float("inf") and 0 <= completion < float("inf")):
            raise ConfigurationError(f"a price cannot be negative or infinite; got {text!r}")
        return cls(prompt, completion)


FREE = Price(0.0, 0.0)

# List prices as published in mid-2026, for the models shops ask for most. A price given by the user always wins.
PRICES: dict[str, Price] = {
    "gpt-4.1": Price(2.0, 8.0),
    "gpt-4.1-mini": Price(0.40, 1.60),
    "gpt-4.1-nano": Price(0.10, 0.40),
    "gpt-4o": Price(2.50, 10.0),
    "gpt-4o-mini": Price(0.15, 0.60),
}


@dataclass(frozen=True, slots=True)
class Reservation:
    """The worst case of one request, held until it is settled."""

    tokens: int
    usd: float


class Budget:
    """A hard limit in products, tokens or dollars. Safe to share between threads."""

    def __init__(self, unit: Unit, limit: float) -> None:
        self.unit: Unit = unit
        self.limit = limit
        self._spent = 0.0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Budget({self.unit!r}, {self.limit:g}, spent={self._spent:g})"

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """``0``, ``500products``, ``200000tokens`` or ``5usd``. ``0`` forbids every call."""
        cleaned = text.strip().replace("_", "")
        if cleaned == "0":
            return cls("products", 0)
        match = _AMOUNT.fullmatch(cleaned)
        if match is None:
            raise ConfigurationError(
                f"a budget is 0, or an amount with its unit such as 500products, 200000tokens or 5usd; got {text!r}"
            )
        unit = _UNITS.get(match[2].lower(), "usd")
        limit = float(match[1])
        if unit != "usd" and not limit.is_integer():
            raise ConfigurationError(f"a budget in {unit} is a whole number; got {text!r}")
        return cls(unit, limit)

    @property
    def spent(self) -> float:
        """In the budget's own unit, requests under way at their worst case."""
        return self._spent

    def check_price(self, price: Price | None) -> None:
        """Raises ConfigurationError where money is limited and nobody has said what a token costs."""
        if self.unit == "usd" and price is None:
            raise ConfigurationError(
                f"a budget of {self.limit:g} usd needs the model's price; give it in dollars per million prompt and "
                "completion tokens, or set the budget in tokens or products"
            )

    def take_product(self) -> None:
        """Counts one product that will be asked about; raises BudgetExhausted if that is one too many."""
        if self.unit == "products":
            self._take(1)
        elif self.limit == 0:
            self._take(1)  # nothing at all is allowed, whatever the unit

    def reserve(self, prompt: Prompt, max_tokens: int, price: Price | None) -> Reservation:
        """Holds the worst case of one request; raises BudgetExhausted before anything is sent."""
        self.check_price(price)
        bound = prompt.token_bound()
        held = Reservation(bound + max_tokens, price.of(bound, max_tokens) if price else 0.0)
        if self.limit == 0:
            self._take(1)
        elif self.unit != "products":
            self._take(self._in_unit(held.tokens, held.usd))
        return held

    def settle(self, held: Reservation, used: Usage) -> None:
        """Replaces the worst case by what was really used."""
        if self.unit == "products" or self.limit == 0:
            return
        with self._lock:
            self._spent += self._in_unit(used.tokens, used.usd) - self._in_unit(held.tokens, held.usd)

    def _in_unit(self, tokens: int, usd: float) -> float:
        return usd if self.unit == "usd" else float(tokens)

    def _take(self, amount: float) -> None:
        with self._lock:
            if self._spent + amount > self.limit:
                raise BudgetExhausted(
                    f"the language model's budget of {self.limit:g} {self.unit} is used up "
                    f"({self._spent:g} spent, the next request may need {amount:g}); raise --llm-budget to go on"
                )
            self._spent += amount
