"""Running artifacts: engines, exact tiling, and photographs in and out. Imports no training code and no torch."""
