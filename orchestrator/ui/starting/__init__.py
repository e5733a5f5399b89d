"""`new`: a first plan for somebody's own code, or an example project where there is none."""
