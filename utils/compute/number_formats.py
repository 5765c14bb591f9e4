"""Names of number formats, for options and messages: reading them does not import torch."""

NUMBER_FORMATS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}  # torch's names of them
PRECISIONS = ("auto", *NUMBER_FORMATS)
