"""Which operators of a TFLite file each delegate takes, from documented lists."""
