from types import SimpleNamespace

from utils.runs import idle
from utils.runs.idle import IdleWatch


def test_a_folder_is_idle_once_nothing_has_changed_for_too_long(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(idle, "time", SimpleNamespace(monotonic=lambda: clock.now))
    watch = IdleWatch(tmp_path, minutes=2)

    def is_idle_after(seconds: float) -> bool:
        clock.now += seconds
        return watch.is_idle()

    assert not watch.is_idle()
    assert not is_idle_after(119)
    assert is_idle_after(1)
    (tmp_path / "metrics.csv").write_text("1")
    assert not is_idle_after(1000)  # however long ago the look before was
    assert not is_idle_after(119)
    (tmp_path / "metrics.csv").write_text("12")
    assert not is_idle_after(119)
    (tmp_path / "metrics.csv").rename(tmp_path / "other.csv")
    assert not is_idle_after(119)
    assert is_idle_after(120)
