"""What lint looks for, by topic; ``analysis/lint.py`` puts it together."""
