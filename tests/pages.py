"""A page opened in headless Chromium, and all that it said or asked for meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@dataclass
class Opened:
    """A page, the errors of its console and scripts, and the addresses that it asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def opened(browser: Browser, file: Path, width: int) -> Opened:
    """The page once its figures are drawn."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    found = Opened(context.new_page())
    found.page.on("console", lambda message: found.errors.append(message.text))
    found.page.on("pageerror", lambda error: found.errors.append(str(error)))
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.goto(file.as_uri())
    found.page.wait_for_function(
        "() => [...document.querySelectorAll('.figure')]"
        ".filter(f => !f.closest('details.folded')).every(f => f.querySelector('.main-svg'))"
    )
    return found
