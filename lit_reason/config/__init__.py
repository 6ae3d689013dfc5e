"""From a command line and YAML files to one checked configuration: class names, merging, checks, help.

Everything here but `launch` and `checks` works without torch and Lightning, so that help and misspelt names cost no
start-up.
"""
