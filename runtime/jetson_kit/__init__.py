"""TensorRT on the device: driver, memory, building and running engines.

Nothing but the standard library, numpy and NVIDIA's own packages, relative imports only, and no syntax newer than
Python 3.8: the kits that go to a Jetson carry a copy of this folder.
"""
