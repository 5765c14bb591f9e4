"""Methods found by name, and what every one of them refuses before it learns."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from model.methods import METHODS, build_method, method_class, method_name
from model.methods.s4gan import S4GAN
from model.methods.settings import MethodSettings, S4GANSettings, SupervisedSettings
from model.networks.deeplabv2 import DeepLabV2
from tests.plain_s4gan import LABELLED, SETTINGS, UNLABELLED, C, build, networks
from utils.settings import SettingsError


@dataclass(frozen=True)
class OfNoMethod(MethodSettings):
    name: ClassVar[str] = "s3gan"


@dataclass(frozen=True)
class Sharper(S4GANSettings):
    """s4GAN with other defaults."""

    lambda_fm: float = 0.2


def test_settings_say_which_method_is_meant():
    assert method_name(S4GANSettings(3, threshold_st=0.5)) == method_name(Sharper(3, threshold_st=0.5)) == "s4gan"
    assert method_name(SupervisedSettings(3)) == "supervised"
    alone = replace(S4GANSettings(3, threshold_st=0.5), learning_rate=0.5, accumulate=2).on_labelled_tiles_alone()
    assert alone == SupervisedSettings(3, learning_rate=0.5, accumulate=2)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_its_settings_and_its_line_have_one_name(name: str):
    assert (METHODS[name].settings.name, method_class(name).name) == (name, name)


@pytest.mark.parametrize(
    ("settings", "message"), [(OfNoMethod(3), "'s3gan'; did you mean s4gan"), (MethodSettings(3), "'MethodSettings'")]
)
def test_settings_of_no_method_are_refused(settings: MethodSettings, message: str):
    with pytest.raises(SettingsError, match=f"unknown training method {message}"):
        build_method(settings, DeepLabV2(C, "tiny"), "cpu")
    with pytest.raises(SettingsError, match="unknown training method"):
        method_class("MethodSettings")


def test_a_method_takes_its_device_as_text_and_its_classes_from_the_generator():
    method = build_method(SETTINGS, DeepLabV2(5, "tiny"), "cpu")
    assert isinstance(method, S4GAN)
    assert method.device == torch.device("cpu")
    assert method.realness(torch.full((1, 5, 32, 32), 0.2), torch.zeros(1, 3, 32, 32)).shape == (1,)


# --- steps that are refused -------------------------------------------------------------------------------------------


def settings_of(name: str) -> MethodSettings:
    """Ten steps of a method; what s4GAN has no default for, too."""
    return METHODS[name].settings(10, **({"threshold_st": 0.5} if name == "s4gan" else {}))


@pytest.mark.parametrize("step", [-1, 10, 11])
@pytest.mark.parametrize("name", METHODS)
def test_no_step_lies_outside_of_the_schedule(name: str, step: int):
    method = build_method(settings_of(name), networks()[0], "cpu")
    with pytest.raises(ValueError, match=f"step is {step}, expected 0 to 9: `num_steps` is 10"):
        method.train_step(LABELLED, UNLABELLED, step)


@pytest.mark.parametrize("name", [name for name in METHODS if method_class(name).unlabelled_batches])
def test_only_supervised_training_does_without_unlabelled_tiles(name: str):
    assert name != "supervised"
    method = build_method(settings_of(name), networks()[0], "cpu")
    with pytest.raises(ValueError, match=f"{name} learns from unlabelled tiles too; give a batch of them"):
        method.train_step(LABELLED, None, 0)


@pytest.mark.parametrize(("parts", "tiles"), [(3, 2), (2, 3)])  # two tiles are labelled, three are not
def test_a_batch_has_as_many_equal_parts_as_it_is_split_into(parts: int, tiles: int):
    method = build(replace(SETTINGS, accumulate=parts))
    with pytest.raises(SettingsError, match=f"accumulate {parts} does not divide a batch of {tiles} tiles"):
        method.train_step(LABELLED, UNLABELLED, 0)


def test_images_that_are_scaled_already_are_not_scaled_again():
    with pytest.raises(ValueError, match=r"images are torch.float32, expected uint8"):
        build().train_step(LABELLED._replace(image=LABELLED.image / 255), UNLABELLED, 0)
