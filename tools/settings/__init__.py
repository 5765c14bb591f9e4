"""The jobs that the commands do, each as one frozen dataclass made of the settings of its parts.

    from tools import TrainingSettings, train
    train(TrainingSettings(DataSettings("ucm", folder, f"{folder}/train.txt"), S4GANSettings(200, threshold_st=0.6)))

Fields are called as the commands' options, with underscores. A part may be used by several jobs; where options of a
command are checked against one another, it is done here, so that Python users are told the same.
"""
