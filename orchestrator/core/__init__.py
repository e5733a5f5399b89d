"""Pure: values in, values out. No threads, queues, clock, disk, random numbers or logging."""
