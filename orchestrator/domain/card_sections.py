"""The sections of a model card, each a list of Markdown lines."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.domain.card_facts import CardFacts, dataset_name
from orchestrator.domain.card_text import block, code, moment, number, table, words
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.ledger import PostingKind
from orchestrator.domain.lifecycle import Outcome
from orchestrator.domain.measured import Measure, measures_of, results_of
from orchestrator.domain.money import Money
from orchestrator.domain.run import DatasetRef
from orchestrator.domain.stages import Stage, StageKind
from orchestrator.domain.techniques import TECHNIQUES

_ENDS = {
    Outcome.COMPLETED: "It completed: every stage did all that the strategy asks for.",
    Outcome.BUDGET_REACHED: "Its budget ended it: with more money it would have trained on.",
    Outcome.TIME_REACHED: "Its limit on machine time ended it: with more time it would have trained on.",
    Outcome.CANCELLED: "It was cancelled; this is what it had made by then.",
    Outcome.FAILED: "It failed; this is what it had made by then.",
}


def measured(facts: CardFacts) -> list[str]:
    """The figures, beside the baseline's where there is one."""
    measures = measures_of(results_of(facts.run))
    if not measures:
        return ["## What was measured", "", "Nothing: the run has no evaluation."]
    beside = _baseline_figures(facts)
    head = ["measure", "rows", "before", "after", "change"]
    if facts.baseline is not None:
        head.append("baseline (LoRA)")
    rows = [
        [words(each.name), "-" if each.rows is None else str(each.rows), _figure(each.before), _figure(each.after),
         _change(each), *([_figure(beside.get((each.task, each.kind)))] if facts.baseline is not None else [])]
        for each in measures
    ]  # fmt: skip
    lines = ["## What was measured", "", *table(head, rows), ""]
    lines += ["Before and after on the same rows in the same order. Held-out loss is the mean over the tokens of the "
              "answers, lower is better; exact match is of greedy answers, higher is better."]  # fmt: skip
    if facts.baseline is not None:
        lines += ["", f"The baseline is run {code(facts.baseline.run_id)}: plain LoRA on the same model and dataset, "
                  "measured on the same held-out rows."]  # fmt: skip
    return lines


def _baseline_figures(facts: CardFacts) -> dict[tuple[str, str], float | None]:
    if facts.baseline is None:
        return {}
    return {(each.task, each.kind): each.after for each in measures_of(facts.baseline.results)}


def _figure(value: float | None) -> str:
    return "-" if value is None else number(value)


def _change(measure: Measure) -> str:
    if measure.before is None or measure.after is None:
        return "-"
    change = measure.after - measure.before
    return f"{'+' if change > 0 else ''}{number(change)}"


def trained(facts: CardFacts) -> list[str]:
    """Strategy, techniques, stages, and the settings of every training."""
    spec, strategy = facts.run.spec, facts.strategy
    title = "" if strategy is None else f" ({words(strategy.title)}): {words(strategy.summary)}"
    lines = ["## What was trained", "", f"Strategy {code(spec.strategy)}{title}", ""]
    techniques = [TECHNIQUES[key] for key in spec.techniques if key in TECHNIQUES]
    if techniques:
        lines += [*table(["technique", "what it does", "paper"],
                         [[each.title, each.summary, f"<{each.paper}>"] for each in techniques]), ""]  # fmt: skip
    head = ["stage", "what", "status", "steps", "attempts", "time", "ended by"]
    lines += table(head, [_stage_row(facts, stage) for stage in facts.run.all_stages])
    for stage in facts.run.all_stages:
        if stage.kind is StageKind.TRAIN:
            settings: JsonValue = dict(facts.run.spec_of(stage).recipe)
            lines += ["", f"Settings of {code(stage.id)}, in Axolotl's keys:", "", *block(settings)]
    return lines


def _stage_row(facts: CardFacts, stage: Stage) -> list[str]:
    steps = f"{stage.step} of {stage.intended_steps}" if stage.kind is StageKind.TRAIN else "-"
    took = "-"
    if stage.started_at is not None and stage.ended_at is not None:
        took = f"{(stage.ended_at - stage.started_at).total_seconds():.0f} s"
    ended_by = "-" if stage.exit is None else words(stage.exit.cause.replace("_", " "))
    title = words(facts.run.spec_of(stage).title)
    return [code(stage.id), title, stage.status.value, steps, str(stage.attempt), took, ended_by]


def data(facts: CardFacts) -> list[str]:
    """Model and rows."""
    spec = facts.run.spec
    kind = "local folder" if spec.model_is_local else "model hub"
    size = "" if spec.model_parameters is None else f", {spec.model_parameters:,} parameters"
    lines = ["## On what", "", f"- Model: {code(facts.model_name)} ({kind}{size})"]
    lines += [f"- Rows: {_dataset(spec.dataset)}"]
    if spec.preferences is not None:
        lines += [f"- Preference pairs: {_dataset(spec.preferences)}"]
    return [*lines, f"- Seed: {spec.seed}"]


def _dataset(dataset: DatasetRef) -> str:
    rows = "an uncounted number of rows" if dataset.train_rows is None else f"{dataset.train_rows:,} rows trained on"
    kept = f"{dataset.heldout_rows:,} rows kept out of training"
    if dataset.heldout_source is not None:
        kept += " in a file of their own"
    place = "local file" if dataset.is_local else "model hub"
    return f"{code(dataset_name(dataset))} ({place}, format {code(dataset.format)}): {rows}, {kept}"


def cost(facts: CardFacts) -> list[str]:
    """Every lease and what it was settled at."""
    balance = facts.balance
    lines = ["## For how much", "", f"Settled {balance.spent.dollars()} dollars, of a budget of "
             f"{balance.cap.dollars()} dollars."]  # fmt: skip
    if not facts.leases:
        return lines
    head = ["lease", "machine", "price an hour", "from", "to", "settled"]
    prices = dict.fromkeys((lease.offer.price_source, lease.offer.priced_on.isoformat()) for lease in facts.leases)
    told = (f"Price: {words(source)}, read on {day}." for source, day in prices)
    return [*lines, "", *table(head, [*_lease_rows(facts)]), "", *told]


def _lease_rows(facts: CardFacts) -> Iterator[list[str]]:
    spent = (PostingKind.SETTLE, PostingKind.OVERRUN)
    for lease in facts.leases:
        bills = [each.amount for each in facts.postings if each.lease_id == lease.id and each.kind in spent]
        bill = sum(bills, Money(0)).dollars() if bills else "not yet"
        offer = lease.offer
        machine = f"{offer.accelerator_count} x {offer.accelerator}, {offer.provider}/{offer.region}"
        rate = Money(offer.rate.micros_per_hour).dollars()
        until = "-" if lease.closed_at is None else moment(lease.closed_at)
        yield [code(lease.id), words(machine), rate, moment(lease.opened_at), until, bill]


def ending(facts: CardFacts) -> list[str]:
    """How the run ended."""
    run = facts.run
    told = "The run has not ended: this is what it has made so far."
    if run.outcome is not None:
        told = _ENDS[run.outcome]
    lines = ["## How it ended", "", told if run.ended_at is None else f"{told} That was {moment(run.ended_at)}."]
    return [*lines, "", f"Reason: {words(run.reason)}"] if run.reason else lines


def claims(facts: CardFacts) -> list[str]:
    """What is claimed by others, and that it is not claimed here."""
    sources = [] if facts.strategy is None else [(facts.strategy.title, facts.strategy.claim)]
    sources += [
        (TECHNIQUES[key].title, TECHNIQUES[key].claim) for key in facts.run.spec.techniques if key in TECHNIQUES
    ]
    lines = ["## What this card claims", "", "The figures under *What was measured*, for these rows and this seed, and "
             "no more than that: one run says nothing about the spread between runs, nor about other data, nor about "
             "whether the answers are true or safe. What others claim for the methods is quoted here and was not "
             "tested by this run:", ""]  # fmt: skip
    return [*lines, *(f"- {words(title)}: “{words(claim)}”" for title, claim in sources)]
