"""Errors go from one process to another."""

import pickle

import pytest

from utils.errors import DataError, OptionError, UserError
from utils.evaluation.views import BrokenMapsError
from utils.settings import SettingsError


@pytest.mark.parametrize(
    "error",
    [
        DataError("a.png is damaged"),
        OptionError("no folder 'out'"),
        SettingsError("{batch_size} is {}", "{none}"),  # words that look like a place for a value
        BrokenMapsError(),
    ],
)
def test_an_error_comes_out_of_a_pickle_as_it_went_in(error: UserError):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.exit_code) == (type(error), str(error), error.exit_code)
