"""A run of several stages as its page tells it: where it is, what each stage takes and makes, one curve over all."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from api.web.charts import INCOMPARABLE, chart_data, loss_drawing, training_rows
from api.web.curves import LossCurve, Step, Training
from api.web.present import headline, run_row
from api.web.progress import extent
from api.web.stages import recipes, stage_rows
from orchestrator.domain.ids import RunId, StageId
from orchestrator.domain.lifecycle import Outcome
from orchestrator.domain.run import Run
from orchestrator.domain.stages import StageKind, StageStatus
from orchestrator.ports.store import RunChange
from tests.unit.api.browsing import HOSTILE, Browser, Document, started, text_of
from tests.unit.api.serving import Service
from tests.unit.api.test_page_views import step, write
from tests.unit.domain import making


def chain(service: Service, browser: Browser) -> RunId:
    """A run of three trainings, each merged, at the second of them."""
    small = {"micro_batch_size": 1, "gradient_accumulation_steps": 1}
    run_id = RunId(browser.submit(strategy="relora", budget="1", overrides=small)["id"])
    service.until(run_id, lambda run: len(run.stages) > 2 and run.stages[2].step > 8)
    return run_id


def loaded(service: Service, run_id: RunId) -> Run:
    return service.store.load(run_id).run


def split() -> tuple[Run, LossCurve]:
    """A run of SFT and ORPO with a curve of both."""
    run = making.run(spec=making.spec(strategy="split", stages=making.stages("split")))
    first, _, second, _ = (stage.id for stage in run.all_stages)
    steps = tuple(
        Step(number, first if number < 4 else second, number, number, 1.0 / number, 1e-4, 10.0, making.NOW)
        for number in range(1, 7)
    )
    return run, LossCurve(steps, steps[-2:], (Training(first, 0), Training(second, 3)), 6)


def test_every_stage_is_told_with_its_title_techniques_steps_pace_and_share(browser: Browser, service: Service) -> None:
    run_id = chain(service, browser)
    page = browser.get(f"/r/{run_id}").text
    shown = text_of(page)
    run = loaded(service, run_id)
    for stage in run.stages:
        assert f"{run.spec_of(stage).title} {stage.kind.value}" in shown
    assert [row.is_current for row in stage_rows(run, making.NOW)].index(True) == 2
    assert Document(page).one(**{"aria-current": "step"})
    assert "measured" in shown
    assert re.search(r"Made the model 02-merge\S*merged|Made the model \S*merged", shown)
    assert '<a href="/guide#technique-relora">ReLoRA</a>' in page
    shares = [row.time_share for row in stage_rows(run, making.NOW)]
    assert abs(sum(shares) - 100) < 1


def test_the_headline_counts_all_trainings(browser: Browser, service: Service) -> None:
    run_id = chain(service, browser)
    run = loaded(service, run_id)
    whole = extent(run)
    trainings = [stage for stage in run.stages if stage.kind is StageKind.TRAIN]
    assert whole.step == sum(stage.step for stage in trainings) > trainings[0].step > 0
    assert whole.of > sum(stage.max_steps for stage in trainings[:2]) - 1
    assert whole.share is not None
    assert 0.3 < whole.share < 0.7
    assert (whole.number, whole.count) == (3, 7)
    shown = text_of(browser.get(f"/r/{run_id}/fragments/progress").text)
    assert f"{whole.step} of {whole.of} steps, stage 3 of 7" in shown
    assert f"{whole.step} of {whole.of} steps, stage 3 of 7" in text_of(browser.get("/").text)


def test_progress_weighs_steps_by_the_time_that_they_take() -> None:
    run = making.run(spec=making.spec(stages=making.stages("relora")))
    first, merge, second, *rest = run.all_stages
    run = replace(
        run,
        stages=(
            replace(first, status=StageStatus.DONE, attempt=1, step=10, max_steps=10, seconds_per_step=1.0),
            replace(merge, status=StageStatus.DONE),
            replace(second, status=StageStatus.RUNNING, attempt=1, step=0, max_steps=10, seconds_per_step=3.0),
            *(replace(each, status=StageStatus.SKIPPED) for each in rest),
        ),
    )
    assert extent(run).share == 0.25
    assert extent(replace(run, stages=(first, *run.stages[1:]))).steps == "0 of 10 steps"
    assert extent(making.run()).share is None


def test_a_merge_says_what_it_is_doing(browser: Browser, service: Service) -> None:
    run_id = RunId(started(browser, strategy="relora", budget="1"))
    service.until(run_id, lambda run: bool(run.stages) and run.stages[1].status is StageStatus.RUNNING)
    assert "Merging the adapter into the model." in text_of(browser.get(f"/r/{run_id}").text)
    service.until(run_id, lambda run: run.stages[2].step > 1)
    assert "Training: ReLoRA, cycle 2 of 3." in text_of(browser.get(f"/r/{run_id}").text)


def test_stages_are_named_before_the_run_is_funded(browser: Browser) -> None:
    shown = text_of(browser.get(f"/r/{started(browser, strategy='relora')}").text)
    assert "merge after cycle 2 of 3 merge" in shown
    assert "not set out yet" in shown


def test_the_curve_of_several_trainings_goes_on_and_shows_where_each_begins(browser: Browser, service: Service) -> None:
    run_id = RunId(started(browser, strategy="relora", budget="1"))
    service.until_ended(run_id)
    assert loaded(service, run_id).outcome is Outcome.COMPLETED
    page = browser.get(f"/r/{run_id}").text
    assert page.count('<line class="boundary"') == 2
    assert text_of(page).count("ReLoRA, cycle 2 of 3") >= 3
    data = json.loads(re.search(r'id="curves">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    steps = data["steps"][0]
    assert steps == list(range(1, steps[-1] + 1))
    assert [stage for stage, _ in data["trainings"]] == ["01-train", "03-train", "05-train"]
    assert data["losses"] == ["Loss"]
    assert "of its training" in text_of(page).lower()


def test_losses_of_two_objectives_are_two_lines_and_said_not_to_be_comparable() -> None:
    run, curve = split()
    drawing = loss_drawing(run, curve)
    assert drawing is not None
    assert [name for name, _ in drawing.lines] == ["Loss", "ORPO loss"]
    assert len(drawing.boundaries) == 1
    data = chart_data(run, curve, ())
    assert data["losses"] == ("Loss", "ORPO loss")
    assert [value is None for value in data["steps"][2]] == [False] * 3 + [True] * 3
    assert [value is None for value in data["steps"][3]] == [True] * 3 + [False] * 3
    assert [(row.first, row.last, row.loss, row.note) for row in training_rows(run, curve)] == [
        (1, 3, "Loss", ""), (4, None, "ORPO loss", INCOMPARABLE)
    ]  # fmt: skip


def test_the_loss_in_the_headline_is_named_by_its_objective(browser: Browser, service: Service) -> None:
    reading = replace(service.application.read.one(RunId(started(browser))), run=split()[0])
    assert headline(reading, split()[1]).loss_name == "ORPO loss"
    assert run_row(reading, split()[1]).progress == ""


def test_recipes_that_are_alike_are_told_once(browser: Browser, service: Service) -> None:
    (alike,) = recipes(making.stages("relora"))
    assert alike.titles == ("ReLoRA, cycle 1 of 3", "ReLoRA, cycle 2 of 3", "ReLoRA, cycle 3 of 3")
    assert [each.titles for each in recipes(making.stages("split"))] == [
        ("DoRA + NEFTune + LoRA+ + rsLoRA",), ("ORPO on the preference pairs",)
    ]  # fmt: skip
    shown = text_of(browser.get(f"/r/{started(browser, strategy='relora')}").text)
    assert "Recipe: ReLoRA, cycle 1 of 3, and 2 more alike" in shown


def test_a_quote_shows_the_part_of_every_stage(browser: Browser) -> None:
    shown = text_of(browser.post("/ui/quotes", data={"strategy": "relora", "budget": "1"}).text)
    for title in ("ReLoRA, cycle 3 of 3", "merge after cycle 3 of 3", "before and after"):
        assert title in shown
    assert re.search(r"ReLoRA, cycle 1 of 3 (\d+) of \1 steps, \d+ surely \d+ (s|min)", shown)


def test_hostile_titles_results_and_paths_are_text(browser: Browser, service: Service) -> None:
    run_id = chain(service, browser)
    service.until_ended(run_id)
    run = loaded(service, run_id)
    spec = replace(
        run.spec,
        stages=tuple(replace(each, title=HOSTILE, techniques=(HOSTILE, *each.techniques)) for each in run.spec.stages),
        notes=(HOSTILE,),
        parameters={HOSTILE: HOSTILE},
    )
    result = {"event": "harness", "subject": "tuned", "task": HOSTILE, "metric": HOSTILE, "value": 1, "stderr": HOSTILE}
    stages = tuple(replace(each, checkpoint=HOSTILE, results=(result,)) for each in run.stages)
    plan = run.plan
    assert plan is not None
    plan = replace(plan, stages=tuple(replace(each, title=HOSTILE) for each in plan.stages))
    service.store.save(RunChange(replace(run, spec=spec, stages=stages, plan=plan)))
    write(service, run_id, step(1), stage=HOSTILE)
    for path in ("/", f"/r/{run_id}"):
        page = browser.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_a_stage_id_that_nobody_knows_is_a_training_without_a_title() -> None:
    run, curve = split()
    strange = replace(curve, trainings=(Training(StageId("99-train"), 0), Training(None, 2)))
    assert [row.title for row in training_rows(run, strange)] == ["Training", "Training"]


def test_a_run_stands_beside_the_lora_run_on_the_same_rows(browser: Browser, service: Service) -> None:
    baseline = started(browser)
    service.until_ended(baseline)
    run_id = started(browser, strategy="relora", budget="1")
    service.until_ended(run_id)
    page = browser.get(f"/r/{run_id}").text
    assert f'<a href="/r/{baseline}">LoRA baseline</a>' in page
    assert "LoRA baseline" not in browser.get(f"/r/{baseline}").text


def test_the_result_is_named_with_its_card(browser: Browser, service: Service) -> None:
    run_id = started(browser, strategy="relora", budget="1")
    assert "Model card" not in browser.get(f"/r/{run_id}").text
    service.until_ended(run_id)
    page = browser.get(f"/r/{run_id}").text
    assert "The result is a whole model" in text_of(page)
    assert browser.get(f"/runs/{run_id}/card").status_code == 200
