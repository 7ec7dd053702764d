"""What can go wrong while learning and recommending.

RecommenderError
├── DatasetError         events or facts that make no dataset: a missing column, nothing left after the cut
│   └── LeakageError         something from at or after ``until`` would enter training
├── ConfigurationError   options that contradict each other, or a missing extra
├── ModelFitError        a model that learned nothing usable: no interactions, or numbers that are not finite
├── ScoreError           scores that cannot be ranked: another shape than promised, or not finite
├── FilterError          a condition that nothing can meet, or that asks for an attribute that there is not
├── RuleError            a file of business rules that cannot be followed; names the rule
├── ImpressionError      a log of impressions that cannot be read or written
├── OffPolicyError       a log that cannot say what another policy is worth: rows that contradict each other
│   ├── PropensityError      a propensity is missing, zero, or no probability
│   └── SupportError         the policy would show what the log could never, or hardly ever, have shown
├── UnknownProduct       no product of the model or graph has this id
└── ArtifactError        a model folder that is torn, of another format version, or not ours at all

Every message says what was seen, what was expected and what to do.
"""


class RecommenderError(Exception):
    """Root of every error that the recommender raises."""


class DatasetError(RecommenderError, ValueError):
    """Events or facts that make no dataset."""


class LeakageError(DatasetError):
    """Something from at or after ``until`` would enter training."""


class ConfigurationError(RecommenderError, ValueError):
    """Options that contradict each other, or an extra that is not installed."""


class ModelFitError(RecommenderError, ValueError):
    """A model that learned nothing usable."""


class ScoreError(RecommenderError, ValueError):
    """Scores that cannot be ranked."""


class FilterError(RecommenderError, ValueError):
    """A condition on products that cannot be understood."""


class RuleError(RecommenderError, ValueError):
    """A file of business rules that cannot be followed."""


class ImpressionError(RecommenderError):
    """A log of impressions that cannot be read or written."""


class OffPolicyError(RecommenderError, ValueError):
    """A log that cannot say what another policy is worth."""


class PropensityError(OffPolicyError):
    """A propensity is missing, zero, or no probability."""


class SupportError(OffPolicyError):
    """The policy would show what the log could never, or hardly ever, have shown."""


class UnknownProduct(RecommenderError, KeyError):
    """No product has this id."""

    def __init__(self, product_id: str) -> None:
        super().__init__(f"no product has the id {product_id!r}")
        self.product_id = product_id

    def __str__(self) -> str:  # KeyError would print the repr of its argument
        return str(self.args[0])


class ArtifactError(RecommenderError, ValueError):
    """A model folder that is torn, of another format version, or not ours."""
