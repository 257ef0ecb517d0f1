"""What a process is and hands on: its name, environment, signals; chpst, pause."""
