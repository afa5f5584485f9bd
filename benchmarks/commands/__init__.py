"""The subcommands of `ensharpen-bench`, one file each."""
