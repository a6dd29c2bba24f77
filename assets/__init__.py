"""What exists: every table of the warehouse, its rules and its checks.

A table's path is its name and its Dagster key: `assets/core/units.sql` makes `core.units`. Read the folders in the
order of the data: `raw` (rows as they came), `core` (what is true), `billing` (what is owed), `audit` (why to
believe it). What runs lives in `pipelines`, what people read in `reports`; neither is imported here.
"""
