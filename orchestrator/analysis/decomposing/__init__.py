"""Ways to cut a goal into tasks, one per module; `decompose.py` is the door."""
