# The command as its users call it.

tests_cli =
EXTRA_DIST += $(tests_cli)
