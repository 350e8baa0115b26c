"""Counting a dataset's tokens: with a real tokenizer, with none, with hostile ones, and once only."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.adapters.inputs.tokenizing import counter, process, sampling
from orchestrator.domain.cost.tokens import Excess, TokenFacts
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.run import DatasetRef
from orchestrator.ports.inputs import ModelFacts, TokenWish

TURNS = "{% for m in messages %}{{ m['role'] + ' ' + m['content'] + ' ' }}{% endfor %}"


def make_model(folder: Path, template: str | None = TURNS, **config: Any) -> ModelFacts:
    """A tokenizer for which every word is one token, with `<s>` before each text."""
    folder.mkdir(parents=True, exist_ok=True)
    words = Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    words.save(str(folder / "tokenizer.json"))
    told = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return ModelFacts(str(folder), is_local=True, parameters=1)


def make_rows(path: Path, rows: Sequence[dict[str, Any]], row_format: str = "completion") -> DatasetRef:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DatasetRef(str(path), row_format, len(rows), 0)


def completions(*words: int) -> list[dict[str, Any]]:
    return [{"text": " ".join(["word"] * number)} for number in words]


def answered(answer: str = "three four") -> dict[str, Any]:
    return {"messages": [{"role": "human", "content": "one two"}, {"role": "assistant", "content": answer}]}


@pytest.fixture
def inputs(tmp_path: Path) -> FolderInputs:
    return FolderInputs("owner/model", "owner/rows", None, (tmp_path,), counts=tmp_path / "counts")


def count(inputs: FolderInputs, dataset: DatasetRef, model: ModelFacts, length: int = 64, **how: Any) -> TokenFacts:
    facts = inputs.tokens(dataset, model, length, TokenWish(**how))
    assert facts is not None
    return facts


def test_a_text_is_counted_with_the_tokens_that_begin_and_end_it(inputs: FolderInputs, tmp_path: Path) -> None:
    facts = count(inputs, make_rows(tmp_path / "a.jsonl", completions(3, 5)), make_model(tmp_path / "m"))

    assert (facts.tokens.middle, facts.exact, facts.counted_rows, facts.longest) == (12, True, 2, 7)
    assert facts.excess is Excess.SPLIT


@pytest.mark.parametrize(("begins", "tokens"), [(True, 3 + 2), (False, 3 + 1)])
def test_what_the_configuration_says_of_the_first_token_holds(
    begins: bool, tokens: int, inputs: FolderInputs, tmp_path: Path
) -> None:
    model = make_model(tmp_path / "m", add_bos_token=begins)

    assert count(inputs, make_rows(tmp_path / "a.jsonl", completions(3)), model).tokens.middle == tokens


def test_a_conversation_is_counted_as_its_template_renders_it(inputs: FolderInputs, tmp_path: Path) -> None:
    dataset = make_rows(tmp_path / "a.jsonl", [answered()], "messages")

    assert count(inputs, dataset, make_model(tmp_path / "m")).tokens.middle == 6  # user one two assistant three four
    named = make_model(tmp_path / "n", None, chat_template=[{"name": "default", "template": "x " + TURNS}])
    assert count(inputs, dataset, named).tokens.middle == 7
    assert count(inputs, dataset, make_model(tmp_path / "o", None)).tokens.middle == 6  # ChatML, its marks in words


def test_pairs_count_both_answers_and_their_supervised_form_the_chosen_one(
    inputs: FolderInputs, tmp_path: Path
) -> None:
    pair = {"prompt": "one two", "chosen": "three four five", "rejected": "six"}
    dataset, model = make_rows(tmp_path / "a.jsonl", [pair], "chat_pairs"), make_model(tmp_path / "m")

    both = count(inputs, dataset, model)
    # <s> user one two assistant, the answer, </s>
    assert (both.tokens.middle, both.sequences, both.longest) == (9 + 7, 2, 9)
    alone = count(inputs, dataset, model, chosen=True)
    assert (alone.tokens.middle, alone.sequences) == (7, 1)


def test_rows_that_the_run_holds_out_are_not_counted(inputs: FolderInputs, tmp_path: Path) -> None:
    dataset, model = make_rows(tmp_path / "a.jsonl", completions(*range(1, 21))), make_model(tmp_path / "m")
    apart = DatasetRef(dataset.source, "completion", 20, 5)
    whole = count(inputs, dataset, model).tokens.middle

    parts = {seed: count(inputs, apart, model, seed=seed) for seed in range(8)}
    assert {facts.rows for facts in parts.values()} == {15}
    assert all(facts.exact and facts.tokens.middle < whole for facts in parts.values())
    assert len({facts.tokens.middle for facts in parts.values()}) > 1


def test_what_is_not_here_is_not_counted(inputs: FolderInputs, tmp_path: Path) -> None:
    dataset, model = make_rows(tmp_path / "a.jsonl", completions(3)), make_model(tmp_path / "m")

    assert inputs.tokens(dataset, ModelFacts("owner/model", is_local=False, parameters=None), 64) is None
    assert inputs.tokens(DatasetRef("owner/rows", "alpaca", None, 64, is_local=False), model, 64) is None


def test_a_large_dataset_is_sampled_all_over_the_file(
    inputs: FolderInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MOST_ROWS", 1000)
    monkeypatch.setattr(sampling, "SAMPLED_ROWS", 400)
    dataset = make_rows(tmp_path / "a.jsonl", completions(*([2] * 2000 + [10] * 2000)))
    truth = 2000 * 4 + 2000 * 12

    facts = count(inputs, dataset, make_model(tmp_path / "m"))
    assert (facts.counted_rows, facts.exact, facts.rows) == (400, False, 4000)
    assert facts.tokens.low <= truth <= facts.tokens.high
    assert facts.tokens.high - facts.tokens.low < 0.1 * truth


def test_a_sample_is_thinned_out_evenly_when_its_rows_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MOST_BYTES", 20_000)
    monkeypatch.setattr(sampling, "SAMPLED_BYTES", 10_000)
    make_rows(tmp_path / "a.jsonl", completions(*([20] * 4000)))
    sample = sampling.sample_rows(tmp_path / "a.jsonl", "dataset", 4000)

    assert sample.indices is not None
    assert 30 < len(sample.lines) < 120
    assert not sample.whole
    assert 0.25 < sum(index < 2000 for index in sample.indices) / len(sample.indices) < 0.75


def test_a_very_long_file_is_sampled_by_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "MOST_STREAMED_BYTES", 1000)
    make_rows(tmp_path / "a.jsonl", [{"text": str(number)} for number in range(1000)])
    sample = sampling.sample_rows(tmp_path / "a.jsonl", "dataset", 1000)
    found = [int(json.loads(line)["text"]) for line in sample.lines]

    assert sample.indices is None
    assert 350 < sum(found) / len(found) < 650


def test_a_dataset_without_a_row_that_fits_is_refused_by_its_name(inputs: FolderInputs, tmp_path: Path) -> None:
    rows = [{"instruction": "word " * 40, "input": "", "output": "word"}]
    dataset, model = make_rows(tmp_path / "a.jsonl", rows, "alpaca"), make_model(tmp_path / "m")

    with pytest.raises(InvalidInputError) as refused:
        count(inputs, dataset, model, 16, field="preferences")
    assert refused.value.problems[0].field == "preferences"
    assert "sequence_len is 16" in str(refused.value)
    some = make_rows(tmp_path / "b.jsonl", [*rows, {"instruction": "a", "input": "", "output": "b"}], "alpaca")
    with pytest.raises(InvalidInputError, match="'raise' stops"):
        count(inputs, some, model, 40, excess=Excess.RAISE)


def test_rows_that_are_dropped_are_told(inputs: FolderInputs, tmp_path: Path) -> None:
    rows = [{"instruction": "word " * number, "output": "word"} for number in (1, 2, 60)]
    facts = count(inputs, make_rows(tmp_path / "a.jsonl", rows, "alpaca"), make_model(tmp_path / "m"))

    assert (facts.dropped_rows, facts.examples) == (1, 2)
    assert facts.notes == (
        "1 of 3 rows are longer than sequence_len 64: Axolotl drops them whole, it does not cut them",
    )


def test_a_template_that_leaves_out_every_answer_is_refused(inputs: FolderInputs, tmp_path: Path) -> None:
    model = make_model(tmp_path / "m", "{{ messages[0]['content'] }}")

    with pytest.raises(InvalidInputError, match="leaves out every answer"):
        count(inputs, make_rows(tmp_path / "a.jsonl", [answered()], "messages"), model)


def test_without_a_tokenizer_the_tokens_are_estimated_and_it_is_said(inputs: FolderInputs, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    facts = count(
        inputs, make_rows(tmp_path / "a.jsonl", completions(38, 38)),
        ModelFacts(str(tmp_path / "m"), is_local=True, parameters=1),
    )  # fmt: skip

    assert not facts.exact
    assert facts.tokens.low < 0.6 * facts.tokens.middle < 1.4 * facts.tokens.middle < facts.tokens.high
    assert "no tokenizer.json" in facts.notes[0]


@pytest.mark.parametrize("content", ["not JSON", "[]", ""])
def test_a_tokenizer_that_is_no_json_object_is_refused(content: str, inputs: FolderInputs, tmp_path: Path) -> None:
    model = make_model(tmp_path / "m")
    (tmp_path / "m" / "tokenizer.json").write_text(content)

    with pytest.raises(InvalidInputError) as refused:
        count(inputs, make_rows(tmp_path / "a.jsonl", completions(3)), model)
    assert refused.value.problems[0].field == "model"


def test_a_tokenizer_of_two_hundred_mebibytes_is_refused_unread(inputs: FolderInputs, tmp_path: Path) -> None:
    model = make_model(tmp_path / "m")
    os.truncate(tmp_path / "m" / "tokenizer.json", 200 << 20)

    with pytest.raises(InvalidInputError, match="200 MiB"):
        count(inputs, make_rows(tmp_path / "a.jsonl", completions(3)), model)


@pytest.mark.parametrize("content", ['{"model": {"type": "Nonsense"}}', '{"model": 3}', '{"model'])
def test_a_tokenizer_that_cannot_be_loaded_makes_an_estimate(
    content: str, inputs: FolderInputs, tmp_path: Path
) -> None:
    model = make_model(tmp_path / "m")
    (tmp_path / "m" / "tokenizer.json").write_text(content)
    facts = count(inputs, make_rows(tmp_path / "a.jsonl", completions(3)), model)

    assert facts.doubt > 0
    assert "could not be used" in facts.notes[0] or "holds no tokenizer" in facts.notes[0]


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__.__base__ }}{{ cycler.__init__.__globals__.os.system('x') }}",
        "{% for i in range(10 ** 9) %}x{% endfor %}",
        "{{ 'x' * 10 ** 10 }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ raise_exception('no') }}",
        "{% for",
        "{% include '/etc/passwd' %}",
    ],
)
def test_a_hostile_template_makes_an_estimate_soon(template: str, inputs: FolderInputs, tmp_path: Path) -> None:
    dataset = make_rows(tmp_path / "a.jsonl", [answered()], "messages")
    begun = time.monotonic()
    facts = count(inputs, dataset, make_model(tmp_path / "m", template))

    assert facts.doubt > 0
    assert "template" in facts.notes[0]
    assert time.monotonic() - begun < 30


def test_a_template_that_never_ends_is_ended(
    inputs: FolderInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MOST_SECONDS", 2.0)
    loops = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
    facts = count(inputs, make_rows(tmp_path / "a.jsonl", [answered()], "messages"), make_model(tmp_path / "m", loops))

    assert "takes too long" in facts.notes[0]


def test_rows_that_the_template_refuses_are_left_out_and_told(inputs: FolderInputs, tmp_path: Path) -> None:
    refuses = "{% if messages[-1]['content'] == 'no' %}{{ raise_exception('never') }}{% endif %}" + TURNS
    dataset = make_rows(tmp_path / "a.jsonl", [answered(), answered("no"), answered()], "messages")
    facts = count(inputs, dataset, make_model(tmp_path / "m", refuses))

    assert (facts.counted_rows, facts.exact, facts.tokens.middle) == (2, False, 18)
    assert "fails on 1 of 3 rows" in facts.notes[0]
    assert "never" in facts.notes[0]


def test_a_count_is_kept_for_the_next_quote_and_the_next_service(
    inputs: FolderInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, model = make_rows(tmp_path / "a.jsonl", completions(3, 5)), make_model(tmp_path / "m")
    first = count(inputs, dataset, model)
    monkeypatch.setattr(counter, "count_rows", None)

    assert count(inputs, dataset, model) == first
    again = FolderInputs("owner/model", "owner/rows", None, (tmp_path,), counts=tmp_path / "counts")
    assert count(again, dataset, model) == first
    assert count(inputs, dataset, model, 4).examples == 3  # the lengths are known: 4 and no more of 5, 4 and 3 of 7


def test_a_change_of_the_rows_or_the_tokenizer_is_counted_anew(inputs: FolderInputs, tmp_path: Path) -> None:
    dataset, model = make_rows(tmp_path / "a.jsonl", completions(3, 5)), make_model(tmp_path / "m")
    before = count(inputs, dataset, model).tokens.middle

    make_model(tmp_path / "m", add_bos_token=False)
    assert count(inputs, dataset, model).tokens.middle == before - 2
    assert count(inputs, make_rows(tmp_path / "a.jsonl", completions(3, 50)), model).tokens.middle == before + 43


def test_what_is_kept_and_broken_is_counted_anew(inputs: FolderInputs, tmp_path: Path) -> None:
    dataset, model = make_rows(tmp_path / "a.jsonl", completions(3, 5)), make_model(tmp_path / "m")
    first = count(inputs, dataset, model)
    [kept] = (tmp_path / "counts").glob("*.json")
    kept.write_text('{"rows": 1}')

    again = FolderInputs("owner/model", "owner/rows", None, (tmp_path,), counts=tmp_path / "counts")
    assert count(again, dataset, model) == first
