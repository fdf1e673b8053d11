from __future__ import annotations

import pickle

import pytest

from tuners import TunerError
from tuners.llm.model import ModelError, ModelUnavailable, errors

KINDS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, ModelError) and each is not ModelError
]


def test_every_error_has_a_kind_of_its_own():
    assert len(KINDS) == len({each.kind for each in KINDS}) == len(errors.__all__) - 1
    assert all(issubclass(each, TunerError) for each in KINDS)


def sent(error):
    return pickle.loads(pickle.dumps(error))  # noqa: S301  (our own)


@pytest.mark.parametrize("kind", KINDS)
def test_errors_can_be_pickled(kind):
    error = sent(kind("what happened", attempts=3))
    assert (type(error), str(error), error.attempts) == (kind, "what happened", 3)


def test_an_error_may_be_for_the_moment_alone():
    error = ModelUnavailable("later", permanent=False)
    assert not sent(error).permanent
    assert ModelUnavailable("never").permanent
