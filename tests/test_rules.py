"""Does the list of import rules name each rule once, with what the product does about it and tests that there are?"""

from __future__ import annotations

import pytest

from tests import problems
from tests.problems import ROOT, RULES, Problem
from tests.test_provider_problems import functions

LISTED = problems.read(RULES)


def test_the_rules_of_importing_and_of_reconciling_stand_there_once_each():
    assert [rule.number for rule in LISTED] == [*range(1, 44), *range(71, 84)]
    assert len({rule.met for rule in LISTED}) == len(LISTED)


@pytest.mark.parametrize("rule", LISTED, ids=lambda rule: f"R{rule.number}")
def test_a_rule_says_what_the_product_does_and_names_tests_that_there_are(rule: Problem):
    assert rule.met.endswith(".") and rule.does.endswith(".") and rule.tests
    for test in rule.tests:
        path, _, name = test.partition("::")
        assert name.partition("[")[0] in functions(ROOT / path), f"{test} does not exist"
