"""What exists: thin Dagster assets, one module a stage, made from the configuration.

Nothing is computed here: an asset asks `tieout` to do its work and describes what came of it.
"""
