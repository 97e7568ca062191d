"""The commands of the command line, one a file: define(flag_values) and run(values, arguments)."""
