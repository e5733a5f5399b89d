"""Research on logs: everything here reads an event log and nothing else."""
