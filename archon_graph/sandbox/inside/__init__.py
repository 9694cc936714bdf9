"""What runs within a sandbox, next to the code that is looked at: standard library only."""
