from __future__ import annotations

import random

import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine
from tuners.problems.shorten import MapperShortener

MACHINE = Machine.load("p100x4")


@pytest.mark.parametrize("name", ["circuit", "stencil", "pennant", "cannon", "transformer"])
def test_a_rendered_template_is_said_in_few_words(name):
    application = Application.load(name)
    template = dsl.template_for(application, MACHINE)
    shortener = MapperShortener(application, MACHINE)
    evaluator = Evaluator(application, MACHINE)
    text = template.render(template.defaults())
    short = shortener.shorten(text)
    assert len(short) < len(text) / 5
    assert evaluator.evaluate_text(short) == evaluator.evaluate_text(text)


@pytest.mark.parametrize("name", ["circuit", "stencil", "cannon"])
def test_random_mappers_come_to_the_same_in_brief(name):
    application = Application.load(name)
    template = dsl.template_for(application, MACHINE)
    shortener = MapperShortener(application, MACHINE)
    evaluator = Evaluator(application, MACHINE)
    rng = random.Random(0)
    shorter = 0
    for _ in range(12):
        values = {p.name: rng.choice(list(p.values)) for p in template.parameters.values()}
        text = template.render(values)
        short = shortener.shorten(text)
        shorter += len(short) < len(text)
        assert evaluator.evaluate_text(short).throughput == pytest.approx(
            evaluator.evaluate_text(text).throughput
        )
    assert shorter == 12


def test_what_is_no_mapper_stays_as_it_is():
    shortener = MapperShortener(Application.load("stencil"), MACHINE)
    assert shortener.shorten("Task a") == "Task a"
    assert shortener.shorten("Task * GPU;") == "Task * GPU;"
