"""Settings: read once from the environment (`LATTICEFORGE_*`), then frozen. Every one has a working default."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.domain.store_address import parse_store_url

CHECKOUT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Durations are whole seconds, prices dollars per device and hour."""

    model_config = SettingsConfigDict(
        env_prefix="LATTICEFORGE_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    home: Path = CHECKOUT / "data"
    """Where the database, the runs' files and the demonstration's inputs live."""
    database_url: str | None = None
    """SQLAlchemy URL; default: SQLite in `home`."""
    redis_url: str | None = None
    """Redis-protocol server for Celery and live updates; default: an embedded one that `latticeforge up` starts."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    api_token: SecretStr | None = None
    """When set, every request but the health checks needs `Authorization: Bearer <token>`."""

    hub_token: SecretStr | None = None
    """What results are pushed to the Hugging Face Hub with; default: `HF_TOKEN`. Unlike that one, which gated models
    are read with, it is never given to a job."""
    hf_token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("HF_TOKEN", "hf_token"))
    hub_endpoint: str = Field(
        default="https://huggingface.co", validation_alias=AliasChoices("HF_ENDPOINT", "hub_endpoint")
    )

    artifacts_url: str | None = None
    """The store that jobs bring their checkpoints and results to, and that they are read from: a folder, `s3://...` or
    `gs://...`; default: none, files stay on the machine. docs/artifact-store.md describes it. Credentials come from the
    environment, in the store's own names."""
    artifacts_endpoint_url: str | None = None
    """The address of a server that speaks S3 (MinIO, R2, ...); default: Amazon's, or `AWS_ENDPOINT_URL`."""

    node_python: Path = CHECKOUT / ".trainer" / "bin" / "python"
    """The Python of the trainer's environment."""
    default_model: str | None = None
    default_dataset: str | None = None
    default_preferences: str | None = None
    """What a run uses that names none; default: the demonstration's under `home`/demo."""
    input_roots: str = ""
    """Folders that models and datasets may be read from, separated by `:`; default: the checkout, `home` and the
    user's home directory."""

    max_upload_megabytes: int = Field(default=1024, ge=1)
    """The largest dataset that may be uploaded, in MiB."""

    price_file: Path | None = None
    """Your own prices, which count before all others; docs/prices.md describes the file."""
    price_source: str | None = None
    """A file or an address that a refresh of prices reads beside the rest."""
    skypilot_catalog: Path = Path("~/.sky/catalogs/v8")
    """The folder of SkyPilot's catalogue, one folder for each cloud in it."""
    price_max_age_days: int = Field(default=30, ge=0)
    """A price read longer ago than this is old: it is said in quotes, and read again before a launch."""
    price_tolerance_percent: int = Field(default=10, ge=0, le=1000)
    """How much dearer than quoted a launch may be without asking."""

    local_dollars_per_device_hour: Decimal = Field(default=Decimal("4.00"), gt=0)
    """What this machine is priced at: the study book's H200 rate, so that the money is exercised."""
    local_gpus: int | None = Field(default=None, ge=0, le=8)
    """Accelerators of this machine; default: what nvidia-smi lists, else the CPU as one device."""
    local_idle_seconds: int = Field(default=60, ge=5)
    """A local machine without a job ends itself after this, as a cloud's autostop does."""
    local_startup_seconds: int = Field(default=20, ge=0)
    """Expected seconds from a job's start to its first training step; 13 to 22 were measured on two quiet CPU cores."""
    detect_seconds: int = Field(default=2, ge=1)
    checkpoint_seconds: int = Field(default=8, ge=1)
    teardown_seconds: int = Field(default=3, ge=1)
    """Upper bounds of the three parts of an end on this machine; see orchestrator/domain/budget.py."""

    skypilot: bool = False
    """Whether `latticeforge up` runs SkyPilot's API server, from the environment that `make sky` makes."""
    skypilot_url: str | None = None
    """A SkyPilot API server that somebody else runs. Its machine must see the service's `home` under the same path."""
    skypilot_port: int = Field(default=46580, ge=1, le=65535)
    """Where `latticeforge up` lets its own SkyPilot listen, on loopback."""
    skypilot_program: Path = CHECKOUT / ".sky" / "bin" / "sky"

    skypilot_providers: str = ""
    """The providers that may be rented, separated by commas; none unless named. Their machines must see `home` under
    the same path, as a cluster with a shared file system does: results come back no other way yet."""
    skypilot_node_python: Path | None = None
    """The Python of the trainer's environment, by its path on the rented machine; default: `node_python`."""
    skypilot_node_setup: str = ""
    """Commands that make that environment on a machine which does not have it."""
    skypilot_node_device: Literal["cuda", "cpu"] = "cuda"
    """What the rented accelerators are; `cpu` where a test cluster has them by name only."""

    tick_seconds: float = Field(default=1.0, gt=0)
    """How often beat sweeps and the guard looks."""

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home.absolute() / 'latticeforge.db'}"

    @property
    def skypilot_address(self) -> str | None:
        """Where SkyPilot's API server answers; None when none is used."""
        if self.skypilot_url:
            return self.skypilot_url.rstrip("/")
        return f"http://127.0.0.1:{self.skypilot_port}" if self.skypilot else None

    @property
    def rentable(self) -> frozenset[str]:
        """The providers that runs may be launched on through SkyPilot."""
        if self.skypilot_address is None:
            return frozenset()
        return frozenset(name.strip().lower() for name in self.skypilot_providers.split(",") if name.strip())

    @property
    def hub_secret(self) -> str | None:
        """The token for the hub; an empty one, as an unset variable of a container is, is none."""
        given = (each.get_secret_value().strip() for each in (self.hub_token, self.hf_token) if each is not None)
        return next(filter(None, given), None)

    @property
    def hub_read_secret(self) -> str | None:
        """The token that gated models are read with; none when it is empty."""
        given = None if self.hf_token is None else self.hf_token.get_secret_value().strip()
        return given or None

    @field_validator("artifacts_url")
    @classmethod
    def _is_a_store(cls, url: str | None) -> str | None:
        """An empty one, as an unset variable of a container is, is none."""
        if not url:
            return None
        parse_store_url(url)
        return url

    @property
    def demo(self) -> Path:
        """The demonstration's folder: model/ and dataset/."""
        return self.home.absolute() / "demo"

    @property
    def uploads(self) -> Path:
        """Where uploaded datasets are kept."""
        return self.home.absolute() / "datasets"

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders that inputs may come from."""
        if self.input_roots:
            return tuple(Path(part).expanduser().absolute() for part in self.input_roots.split(os.pathsep) if part)
        return (CHECKOUT, self.home.absolute(), Path.home())
