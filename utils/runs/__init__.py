"""The files of a run, and what lets it be interrupted and resumed.

from utils.runs import read_record
read_record(Path("checkpoint/options.json")).classes
"""

from utils.lazy import public_names

__all__, __getattr__, __dir__ = public_names(
    __name__,
    {
        "FolderSettings": "settings",
        "KeepingSettings": "settings",
        "MachineSettings": "settings",
        "RunRecord": "record",
        "read_record": "record",
    },
)
