"""What runs: the command `csba`, the Dagster code location, and one module per verb."""
