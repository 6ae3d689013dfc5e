"""From a command line and YAML files to one checked configuration, and to the command running in its directory.

`request`, `sources`, `classes`, `defaults` and `help` work on text alone: without torch and Lightning, help and
misspelt commands answer at once. `checks`, `cross_checks`, `session` and `launch` need the classes themselves.
"""
