"""What an installation can do on this machine, and what each missing part needs."""
