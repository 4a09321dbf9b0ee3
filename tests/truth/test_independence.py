"""Are the oracle and the generator a second opinion? They import nothing of the product, and the same seed gives the same estate."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.truth import plants

HERE = Path(__file__).parent
ALONE = ("oracle", "money_oracle", "estates", "histories", "invoiced", "plants", "adversarial", "batches")


def imported(module: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found |= {f"{node.module}.{alias.name}" if node.module == "tests.truth" else node.module for alias in node.names}
        elif isinstance(node, ast.Name):
            assert node.id not in ("__import__", "exec", "eval")
    return found


@pytest.mark.parametrize("module", ALONE)
def test_oracle_and_generator_import_nothing_but_the_standard_library_and_each_other(module):
    each_other = {f"tests.truth.{name}" for name in ALONE}
    others = {name for name in imported(module) if name not in each_other and name.split(".")[0] not in sys.stdlib_module_names}
    assert not {name for name in others if not any(name.startswith(f"{allowed}.") for allowed in each_other)}
    assert "importlib" not in imported(module)


def test_the_same_seed_gives_the_same_estate_and_another_seed_another():
    one, again, other = (plants.planted(seed)[0] for seed in (7, 7, 10))
    assert one.lines and (one.lines, one.subscriptions, one.change_logs, one.must) == (
        again.lines,
        again.subscriptions,
        again.change_logs,
        again.must,
    )
    assert one.lines != other.lines
