"""The columns of metrics.csv."""

from typing import ClassVar

from model.methods import build_method
from model.methods.method import Method
from model.methods.settings import (
    FixMatchSettings,
    MethodSettings,
    S4GANSettings,
    SupervisedSettings,
    UniMatchSettings,
)
from model.methods.supervised import Supervised
from model.metrics import curves_of, metric_columns
from model.networks.deeplabv2 import DeepLabV2

OWN = ["wait_ms", "images_per_s", "val_mean_iou"]


class Watching(Supervised):
    """A method that takes unlabelled tiles and makes no pseudo-labels of them."""

    unlabelled_batches: ClassVar[int] = 1


def method_of(settings: MethodSettings) -> Method:
    return build_method(settings, DeepLabV2(3, "tiny"), "cpu")


def test_columns_are_those_of_the_method_then_those_of_the_run():
    losses = ["loss_ce", "loss_fm", "loss_st", "loss_S", "loss_D", "D_real", "D_fake", "believed"]
    rates = ["learning_rate", "learning_rate_D"]
    s4gan, supervised = method_of(S4GANSettings(9, threshold_st=0.6)), method_of(SupervisedSettings(9))
    assert metric_columns(s4gan, ("a", "b")) == [*losses, *rates, *OWN, "pseudo a", "pseudo b"]
    assert metric_columns(supervised, ("a", "b")) == ["loss_ce", "loss_S", "learning_rate", *OWN]
    labels = [*OWN, "pseudo a", "pseudo b"]
    seen = ["loss_S", "kept", "agreement", "learning_rate"]
    assert metric_columns(method_of(FixMatchSettings(9)), ("a", "b")) == ["loss_ce", "loss_u", *seen, *labels]
    losses = ["loss_ce", "loss_s1", "loss_s2", "loss_fp"]
    assert metric_columns(method_of(UniMatchSettings(9)), ("a", "b")) == [*losses, *seen, *labels]


def test_classes_are_charted_where_there_are_pseudo_labels():
    colours = ((9, 9, 9), (200, 0, 0))
    panels = curves_of(method_of(FixMatchSettings(9)), ("a", "b"), colours)
    assert [panel.columns for panel in panels if panel.colours == colours] == [{"pseudo a": "a", "pseudo b": "b"}]
    assert panels[-1].columns == {"val_mean_iou": "mean IoU"}
    assert not any(panel.colours for panel in curves_of(method_of(SupervisedSettings(9)), ("a", "b"), colours))


def test_a_method_without_pseudo_labels_has_no_columns_for_them():
    watching = Watching(DeepLabV2(3, "tiny"), SupervisedSettings(9), "cpu")
    assert not any(column.startswith("pseudo") for column in metric_columns(watching, ("a", "b")))
