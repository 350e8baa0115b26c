"""A browser without a screen: it holds every page against what all pages promise."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import httpx

from api.web.security import PAGE_HEADERS
from tests.unit.api.serving import Client

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}"
FORM = {"strategy": "lora", "budget": "0.50", "token": "once"}


class Document(HTMLParser):
    """What a page is made of: its elements with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def one(self, **wanted: str) -> dict[str, str | None]:
        (found,) = [each for _, each in self.elements if all(each.get(key) == value for key, value in wanted.items())]
        return found


class Browser(Client):
    """Asserts of every page that it bears its headers, runs nothing inline, and labels every field."""

    def _check(self, response: httpx.Response) -> None:
        response.read()
        if not response.headers.get("content-type", "").startswith("text/html"):
            return
        assert dict(PAGE_HEADERS).items() <= {name.title(): value for name, value in response.headers.items()}.items()
        document = Document(response.text)
        for tag, attributes in document.elements:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
            assert tag not in {"style", "iframe", "img"} or attributes.get("src", "").startswith("/static/")  # type: ignore[union-attr]
        for script in document.all("script"):
            assert (script.get("src") or "").startswith("/static/") or script.get("type") == "application/json"
        identities = [each["id"] for _, each in document.elements if "id" in each]
        assert len(identities) == len(set(identities))
        labelled = {label["for"] for label in document.all("label")}
        for field in document.all("input") + document.all("select") + document.all("textarea"):
            assert field.get("type") == "hidden" or field.get("id") in labelled


def started(browser: Browser, **fields: str) -> str:
    """The id of a run that was submitted by the form."""
    answer = browser.post("/ui/runs", data={**FORM, **fields})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/r/")


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
