"""From the verified ONNX graph to a Core ML program."""
