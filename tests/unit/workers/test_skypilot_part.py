"""Whether `latticeforge up` runs SkyPilot's API server, and what is said when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli_doctor import installed
from orchestrator.bootstrap import build_application, migrate
from orchestrator.settings import Settings
from workers.up import skypilot_parts


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A file that can be run in the place of SkyPilot's command; it is never started."""
    path = tmp_path / "sky"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_skypilot_is_not_started_unless_asked_for(tmp_path: Path, program: Path) -> None:
    assert skypilot_parts(Settings(home=tmp_path, skypilot_program=program)) == ()


def test_skypilot_is_started_in_the_foreground_on_loopback_when_asked_for(tmp_path: Path, program: Path) -> None:
    (part,) = skypilot_parts(Settings(home=tmp_path, skypilot=True, skypilot_program=program, skypilot_port=47001))
    assert part.command == (str(program), "api", "start", "--foreground", "--host", "127.0.0.1", "--port", "47001")
    assert part.environment["SKYPILOT_DISABLE_USAGE_COLLECTION"] == "1"


def test_one_that_somebody_else_runs_is_not_started(tmp_path: Path, program: Path) -> None:
    settings = Settings(home=tmp_path, skypilot=True, skypilot_url="http://sky:46580/", skypilot_program=program)
    assert skypilot_parts(settings) == ()
    assert settings.skypilot_address == "http://sky:46580"


def test_a_missing_environment_starts_nothing_and_the_diagnosis_says_what_to_run(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, skypilot=True, skypilot_program=tmp_path / "nowhere")
    assert skypilot_parts(settings) == ()
    migrate(settings)
    checks = {check.name: check for check in build_application(settings).health.execute()}
    assert not checks["skypilot"].ok
    assert "make sky" in checks["skypilot"].detail
    told = {check["name"]: check for check in installed(settings)}
    assert "make sky" in told["skypilot's environment"]["detail"]


def test_without_skypilot_the_diagnosis_does_not_speak_of_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    migrate(settings)
    assert "skypilot" not in {check.name for check in build_application(settings).health.execute()}
