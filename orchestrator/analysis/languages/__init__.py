"""Languages that the code graph can read, behind one protocol (``base.py``)."""
