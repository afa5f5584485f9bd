"""From the verified ONNX graph to graphs for every TensorRT since 8.5, and the kit that builds engines of them."""
