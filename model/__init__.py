"""The networks, what trains them, and a trained one that makes maps.

from model import Trained
network = Trained.open("checkpoint")             # the folder of a run
ids = network.predict(image)                     # uint8 RGB (H, W, 3) of any size -> class ids, uint8 (H, W)
maps = network.probabilities(image)              # float32 (C, H, W), in [0, 1]
"""

from utils.lazy import public_names

__all__, __getattr__, __dir__ = public_names(
    __name__,
    {
        "ActiveLearner": "learning.active_learner",
        "BACKBONES": "networks.names",
        "Classifier": "networks.classifier",
        "DeepLabV2": "networks.deeplabv2",
        "FixMatchSettings": "methods.settings",
        "Learner": "learning.learner",
        "LearnerSettings": "settings",
        "METHODS": "methods",
        "Method": "methods.method",
        "MethodSettings": "methods.settings",
        "NetworkSettings": "settings",
        "S4GAN": "methods.s4gan",
        "S4GANSettings": "methods.settings",
        "Supervised": "methods.supervised",
        "SupervisedSettings": "methods.settings",
        "Trained": "trained",
        "TrainingRun": "training",
        "UniMatchSettings": "methods.settings",
        "build_method": "methods",
    },
)
