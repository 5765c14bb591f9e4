"""The label value that is never learned from and never scored."""

IGNORE_INDEX = 255  # padding, unlabelled pixels and pixels whose class is unknown
