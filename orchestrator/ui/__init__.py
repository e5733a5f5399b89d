"""What people see: command line, progress, summaries."""
