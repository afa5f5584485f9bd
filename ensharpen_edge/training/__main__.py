"""For torchrun: `torchrun --nproc-per-node 2 -m ensharpen_edge.training --data photos --config nano`."""

from ensharpen_edge.training.cli import main

if __name__ == "__main__":
    main()
