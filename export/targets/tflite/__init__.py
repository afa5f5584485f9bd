"""From an ONNX graph to a TFLite flatbuffer: NHWC, static types, one single operator for each of the network's."""
