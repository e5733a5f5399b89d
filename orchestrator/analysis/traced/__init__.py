"""Put on PYTHONPATH of a traced command; holds nothing but a ``sitecustomize``."""
