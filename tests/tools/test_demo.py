import pytest

from tools import demo


@pytest.fixture
def commands(monkeypatch):
    """The commands of a demo that are not run."""
    asked = []
    monkeypatch.setattr(demo, "step", lambda command, _, *options: asked.append([command, *map(str, options)]))
    monkeypatch.setattr(demo, "report", lambda *_: None)
    monkeypatch.setattr(demo, "read_names", lambda *_: [])

    def of(out, *options: str) -> list[list[str]]:
        (out / "active_learning").mkdir(parents=True)
        (out / "active_learning" / "margin_names_0.2.npy").touch()
        demo.demo(demo.parse_args(["--out", str(out), *options]))
        return asked

    return of


@pytest.mark.parametrize("method", ["s4gan", "supervised", "fixmatch", "unimatch"])
def test_both_choices_are_learned_from_by_the_same_method(commands, tmp_path, method):
    trainings = [words for words in commands(tmp_path, "--method", method) if words[0] == "train_s4gan.py"]
    assert len(trainings) == 2
    for words in trainings:
        demo.train_s4gan.parse_args(words[1:])  # are options that it takes
        assert words[words.index("--method") + 1] == method
        assert ("--threshold-st" in words) == (method == "s4gan")
    assert ["--active-learning" in words for words in trainings] == [True, False]
