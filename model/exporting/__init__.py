"""A trained network as an ONNX file, for QGIS Deepness and anybody who runs onnxruntime."""
