"""The only place with threads, processes and writes."""
