"""What can go wrong while mining.

MiningError
├── SourceError          a file that cannot be read as what it should be
│   └── ColumnError      a required column is missing or ambiguous
├── RejectError          a bad row under ``--strict``
├── LanguageModelError   the language model did not answer usefully
│   ├── ModelUnavailable     cannot be reached, or kept failing after all retries
│   ├── ModelRefused         it answered, but refused or broke the format after all retries
│   └── BudgetExhausted      the next call would pass the budget
└── ConfigurationError   options that contradict each other, or a missing extra

A bad row or document is counted with its reason and the run goes on; a bad run raises.
"""


class MiningError(Exception):
    """Root of every error that mining raises."""


class SourceError(MiningError, ValueError):
    """A file that cannot be read as what it should be; names the file and what to do."""


class ColumnError(SourceError):
    """A required column is missing or ambiguous; names the columns seen and the flag that settles it."""


class RejectError(MiningError, ValueError):
    """A bad row, raised instead of set aside because the run is strict."""


class LanguageModelError(MiningError):
    """The language model did not answer usefully."""


class ModelUnavailable(LanguageModelError, ConnectionError):
    """The endpoint cannot be reached, or kept failing after all retries."""


class ModelRefused(LanguageModelError, ValueError):
    """The model answered, but refused or broke the format after all retries."""


class BudgetExhausted(LanguageModelError):
    """The next call would pass the budget."""


class ConfigurationError(MiningError, ValueError):
    """Options that contradict each other, or an extra that is not installed."""
