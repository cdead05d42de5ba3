"""What contributors meet: issue forms, and hooks that run what scripts/test.sh runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
FORMS = [form for form in FORMS if form.name != "config.yml"]
TEST_SH = (ROOT / "scripts/test.sh").read_text()


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_an_issue_form_is_one_as_github_reads_it(form: Path) -> None:
    document = loaded(form)
    assert set(document) == {"name", "description", "labels", "body"}
    fields = document["body"]
    assert len({field["id"] for field in fields}) == len(fields)
    for field in fields:
        assert field["type"] in ("textarea", "input")
        assert set(field) <= {"type", "id", "attributes", "validations"}
        assert field["attributes"]["label"]
        assert set(field["attributes"]) <= {"label", "description", "placeholder", "render"}
        assert set(field.get("validations", {})) <= {"required"}
    assert any(field.get("validations") for field in fields)


def test_forms_ask_for_the_machine_and_the_bundle() -> None:
    texts = {form.stem: form.read_text() for form in FORMS}
    asking = {name for name, text in texts.items() if "detbench doctor --json" in text}
    assert asking >= {"bug", "wrong_number", "idea"}
    assert "run.json, output.log" in texts["bug"]
    assert loaded(ROOT / ".github/ISSUE_TEMPLATE/config.yml") == {"blank_issues_enabled": False}


def test_the_hooks_run_what_the_test_command_runs() -> None:
    (repository,) = loaded(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert {hook["language"] for hook in hooks.values()} == {"system"}
    for hook in hooks.values():
        if hook["id"] == "tests":  # before a push, without what takes minutes
            continue
        command = hook["entry"].replace(".venv/bin/python", "$python")
        assert command in TEST_SH, command
    checked = re.findall(r'check "([\w ]+)"', TEST_SH)
    assert {name.replace(" ", "-") for name in checked} - {"pytest"} == set(hooks) - {"tests"}
