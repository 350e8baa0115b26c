"""The one table from errors to problems, and what an unexpected error gives away: nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from anyio.from_thread import BlockingPortal

from api.errors import STATUS_OF, problem_type_of
from orchestrator.domain import errors
from orchestrator.domain.errors import ComputeError, LatticeForgeError, UnaffordableError
from orchestrator.services.read_offers import OfferPage, OfferQuery, ReadOffers
from tests.unit.api.serving import Client, Service


def _all_errors(kind: type[LatticeForgeError] = LatticeForgeError) -> Iterator[type[LatticeForgeError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all_errors(below)


def test_every_error_of_the_domain_has_a_row_of_its_own() -> None:
    domain = {kind for kind in _all_errors() if kind.__module__ == errors.__name__}
    assert len(domain) > 8
    assert domain <= STATUS_OF.keys()


def test_an_error_from_elsewhere_finds_the_row_of_the_error_that_it_is() -> None:
    for kind in _all_errors():
        nearest = next(each for each in kind.__mro__ if each in STATUS_OF)
        assert kind is LatticeForgeError or nearest is not LatticeForgeError, f"{kind} would be answered with 500"


def test_only_what_the_service_depends_on_and_defects_are_server_errors() -> None:
    server_errors = {kind.__name__ for kind, row in STATUS_OF.items() if row.status >= 500}
    assert server_errors == {
        "ArtifactStoreError",
        "ComputeError",
        "HubError",
        "StorageError",
        "TrainerUnavailableError",
        "LatticeForgeError",
    }


def test_payment_is_required_only_where_it_would_help() -> None:
    assert problem_type_of(UnaffordableError("too little", 1)).status == 402
    assert problem_type_of(UnaffordableError("never", None)).status == 422


def test_no_two_problem_types_share_a_name() -> None:
    slugs = [row.slug for row in STATUS_OF.values()]
    assert len(slugs) == len(set(slugs))


def _break(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def page(self: ReadOffers, query: OfferQuery) -> OfferPage:
        raise error

    monkeypatch.setattr(ReadOffers, "page", page)


def test_an_unexpected_error_is_logged_and_not_told(
    service: Service, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _break(monkeypatch, RuntimeError("the password is swordfish"))
    with Client(service, portal) as client, caplog.at_level(logging.ERROR, "api.errors"):
        answer = client.get("/offers")

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "swordfish" not in answer.text
    assert "swordfish" in caplog.text


def test_a_silent_backend_is_unavailable_and_not_a_defect(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, ComputeError("no answer within 20 s"))
    answer = client.get("/offers")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/compute-unavailable")
