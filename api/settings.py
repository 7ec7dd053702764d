"""What differs from machine to machine. The only module that reads the environment (prefix ``SHOPGRAPH_``)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from recommender.exploring import MOST_SHARPNESS, Exploration


class Torchrun(BaseSettings):
    """What torchrun tells each process that it starts: one process alone where it started none."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    rank: int = Field(default=0, validation_alias="RANK", ge=0)
    count: int = Field(default=1, validation_alias="WORLD_SIZE", ge=1)
    local: int = Field(default=0, validation_alias="LOCAL_RANK", ge=0)
    address: str = Field(default="127.0.0.1", validation_alias="MASTER_ADDR")
    port: int = Field(default=29500, validation_alias="MASTER_PORT")
    attempt: int = Field(default=0, validation_alias="TORCHELASTIC_RESTART_COUNT", ge=0)


class WeightsAndBiases(BaseSettings):
    """Where curves of trainings go, by the names that Weights & Biases gave its variables. Only a named project sends
    anything: a key that lies around for other work must not."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    project: str | None = Field(default=None, validation_alias="WANDB_PROJECT")
    entity: str | None = Field(default=None, validation_alias="WANDB_ENTITY")
    mode: str | None = Field(default=None, validation_alias="WANDB_MODE", description="offline keeps the run here")
    folder: Path | None = Field(default=None, validation_alias="WANDB_DIR")


class Settings(BaseSettings):
    """Read once, at the composition root. A command-line flag of the same name wins over the environment."""

    model_config = SettingsConfigDict(env_prefix="SHOPGRAPH_", extra="ignore", frozen=True)

    workspace: Path = Path("shopgraph-data")
    store: str | None = Field(default=None, description="store URL; by default SQLite inside the workspace")
    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = 8000
    rules: Path | None = Field(default=None, description="business rules; by default rules.json in the workspace")
    log_answers: bool = Field(default=False, description="keep what was shown, with propensities, in impressions.db")
    explore_from: int | None = Field(default=None, description="the first rank that chance may fill; none by default")
    explore_sharpness: float = Field(
        default=Exploration().sharpness,
        ge=0,
        le=MOST_SHARPNESS,
        description="how closely chance keeps to the order: 0 not at all, the most nearly",
    )
    interleave: str | None = Field(
        default=None,
        description="a model that drafts lists together with the one in service, which speaks alone where a threshold "
        "or diversity by rule is asked for; none by default",
    )
    mining_schema: Path | None = Field(
        default=None, description="the --schema that this workspace is mined with, for products that the service takes"
    )
    neo4j_user: str | None = None
    neo4j_password: SecretStr | None = None
    encoders: Path | None = Field(default=None, description="folder with the weights of encoders, where no hub is")
    llm_base_url: str | None = Field(default=None, description="OpenAI-compatible endpoint, such as http://host/v1")
    llm_model: str | None = None
    llm_api_key: SecretStr | None = None

    def store_auth(self) -> tuple[str, str] | None:
        """(user, password) for Neo4j, or None where none is set."""
        if self.neo4j_user is None or self.neo4j_password is None:
            return None
        return (self.neo4j_user, self.neo4j_password.get_secret_value())
