"""From a network to a verified ONNX graph."""
