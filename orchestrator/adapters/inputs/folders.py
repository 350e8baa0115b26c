"""Models and datasets in folders on this machine; names of a hub are taken as they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.adapters.inputs.architectures import hub_shape
from orchestrator.adapters.inputs.datasets import RowFile
from orchestrator.adapters.inputs.hub_configs import HubConfigs
from orchestrator.adapters.inputs.models import look_at_model
from orchestrator.adapters.inputs.parameters import guess_from_name
from orchestrator.adapters.inputs.permitted import PermittedFolders
from orchestrator.adapters.inputs.seen_rows import SeenRows
from orchestrator.adapters.inputs.task_files import TASK_FOLDER, refuse_lacking_tasks
from orchestrator.adapters.inputs.tokenizing.counter import TokenCounter, reading_of
from orchestrator.adapters.inputs.uploads import FolderDatasets
from orchestrator.domain.cost.tokens import TokenFacts
from orchestrator.domain.errors import InvalidInputError, NotFoundError
from orchestrator.domain.formats import FORMATS, PAIRS_IN_WORDS, comparable_formats
from orchestrator.domain.ids import DatasetId, is_dataset_id, is_hub_id
from orchestrator.domain.run import DatasetRef
from orchestrator.ports.inputs import AS_USUAL, ModelFacts, TokenWish

HELDOUT_NAME = "heldout.jsonl"
HELDOUT_PERCENT = 5
HELDOUT_MOST = 200
HUB_HELDOUT_ROWS = 64
"""Kept out of a hub's dataset, whose length is not known before it is on the machine."""
HUB_FORMAT = "alpaca"
A_FILE = "a file of JSON lines or Parquet"


class FolderInputs:
    """Looks into `roots`, and at the defaults wherever they lie.

    A model is a folder or a hub's `owner/name`; a dataset is a file of JSON lines or Parquet, the id of one of the
    `uploads`, or a hub's `owner/name`, optionally with its format: `owner/name:messages` (alpaca when nothing is said).
    Relative names are looked for in the roots first, so that a folder there shadows a hub id. `default_heldout` belongs
    to the defaults alone. Without `configs` no hub is asked what a model there is.
    What datasets are in tokens is kept in the folder `counts`.
    """

    def __init__(
        self,
        default_model: str,
        default_dataset: str,
        default_heldout: str | None,
        roots: tuple[Path, ...],
        default_preferences: str | None = None,
        uploads: FolderDatasets | None = None,
        configs: HubConfigs | None = None,
        counts: Path | None = None,
    ) -> None:
        self._default_model = default_model
        self._default_dataset = default_dataset
        self._default_heldout = default_heldout
        self._default_preferences = default_preferences
        self._uploads = uploads
        self._configs = configs
        self._seen = SeenRows()
        self._counter = TokenCounter(counts)
        named = (default_model, default_dataset, default_heldout, default_preferences)
        defaults = (Path(name) for name in named if name is not None)
        self._permitted = PermittedFolders((*roots, *(path for path in defaults if path.is_absolute())))

    def model(self, name: str | None) -> ModelFacts:
        name = self._default_model if name is None else name
        folder = self._permitted.find(name, "model")
        if folder is not None:
            return self._local_model(folder)
        if is_hub_id(name):
            return self._hub_model(name)
        raise InvalidInputError.of("model", "is not there; name a model's folder, or owner/name of a hub")

    def tokens(
        self, dataset: DatasetRef, model: ModelFacts, sequence_len: int, how: TokenWish = AS_USUAL
    ) -> TokenFacts | None:
        if not (dataset.is_local and model.is_local):
            return None
        reading = reading_of(dataset.format, sequence_len, how.excess, least=how.least, chosen=how.chosen)
        try:
            return self._counter.facts(
                dataset, Path(model.source), reading, how.seed, chosen=how.chosen, field=how.field
            )
        except OSError as error:
            raise InvalidInputError.of(how.field, f"cannot be read: {error.strerror}") from error

    def task_folder(self, name: str, tasks: Sequence[str]) -> str:
        folder = self._permitted.find(name, TASK_FOLDER)
        if folder is None or not folder.is_dir():
            raise InvalidInputError.of(TASK_FOLDER, "is not a folder here")
        self._permitted.refuse_ways_out(folder, TASK_FOLDER)
        refuse_lacking_tasks(folder, tasks)
        return str(folder)

    def is_here(self, name: str) -> bool:
        try:
            return self._permitted.find(name, "dataset") is not None
        except InvalidInputError:
            return False

    def is_hub_id(self, name: str) -> bool:
        return is_hub_id(name)

    def dataset(
        self,
        name: str | None,
        heldout: str | None,
        field: str = "dataset",
        *,
        pairs: bool = False,
        keeps_out: bool = True,
    ) -> DatasetRef:
        if name is None:
            name, heldout = self._default(field, pairs=pairs), heldout or self._default_heldout
        train = self._rows(name, field)
        if train is None:
            found = self._hub_dataset(name, heldout, field)
            return found if keeps_out else replace(found, heldout_rows=0)
        if not keeps_out:
            return DatasetRef(str(train.path), train.format, train.rows, 0)
        kept_out = self._heldout_of(train, heldout)
        if kept_out is not None:
            return _with_heldout(DatasetRef(str(train.path), train.format, train.rows, kept_out.rows), kept_out)
        if train.rows < 2:
            raise InvalidInputError.of(field, "has a single row; at least one more is needed to be kept out")
        share = max(1, min(HELDOUT_MOST, train.rows * HELDOUT_PERCENT // 100))
        return DatasetRef(str(train.path), train.format, train.rows, share)

    def _rows(self, name: str, field: str, allowed: Collection[str] = tuple(FORMATS)) -> RowFile | None:
        """The file that `name` stands for, every row of it looked at, now or when it was uploaded."""
        if not is_dataset_id(name):
            path = self._permitted.find(name, field)
            return None if path is None else self._seen.read(path, field, tuple(allowed))
        try:
            found = None if self._uploads is None else self._uploads.rows_of(DatasetId(name))
        except NotFoundError:
            found = None
        if found is None:
            raise InvalidInputError.of(field, f"no dataset {name} was uploaded")
        if found.format not in allowed:
            raise InvalidInputError.of(field, f"is {found.format}; what can be compared is {' or '.join(allowed)}")
        return found

    def _default(self, field: str, *, pairs: bool) -> str:
        name = self._default_preferences if pairs else self._default_dataset
        if name is None:
            raise InvalidInputError.of(field, f"is missing, and there is no default for it: name {PAIRS_IN_WORDS}")
        return name

    def _local_model(self, folder: Path) -> ModelFacts:
        if folder.is_dir():
            self._permitted.refuse_ways_out(folder, "model")
        return look_at_model(folder)

    def _hub_model(self, hub_id: str) -> ModelFacts:
        shape = hub_shape(hub_id, self._configs)
        found = shape.architecture
        parameters = guess_from_name(hub_id) if found is None else found.parameters
        return ModelFacts(
            hub_id, is_local=False, parameters=parameters, architecture=found, architecture_note=shape.note
        )

    def _heldout_of(self, train: RowFile, heldout: str | None) -> RowFile | None:
        """The rows to be kept out that lie in a file of their own: the named one, or the one beside the dataset."""
        if heldout is None:
            beside = train.path.with_name(HELDOUT_NAME)
            if beside == train.path or not (beside.exists() or beside.is_symlink()):
                return None
            heldout = str(beside)
        kept_out = self._named_heldout(heldout, train.format)
        if kept_out.path == train.path:
            raise InvalidInputError.of("heldout", "is the dataset itself: rows that were trained on prove nothing")
        return kept_out

    def _named_heldout(self, name: str, row_format: str) -> RowFile:
        found = self._rows(name, "heldout", comparable_formats(row_format))
        if found is None:
            raise InvalidInputError.of("heldout", f"is not there; name {A_FILE}")
        return found

    def _hub_dataset(self, name: str, heldout: str | None, field: str) -> DatasetRef:
        hub_id, _, row_format = name.partition(":")
        if not is_hub_id(hub_id):
            raise InvalidInputError.of(field, f"is not there; name {A_FILE}, or owner/name of a hub")
        row_format = row_format or HUB_FORMAT
        if row_format not in FORMATS:
            raise InvalidInputError.of(field, f"has the format {row_format[:40]!r}; known are {', '.join(FORMATS)}")
        found = DatasetRef(hub_id, row_format, None, HUB_HELDOUT_ROWS, is_local=False)
        return found if heldout is None else _with_heldout(found, self._named_heldout(heldout, row_format))


def _with_heldout(dataset: DatasetRef, kept_out: RowFile) -> DatasetRef:
    other = None if kept_out.format == dataset.format else kept_out.format
    return replace(dataset, heldout_rows=kept_out.rows, heldout_source=str(kept_out.path), heldout_format=other)
