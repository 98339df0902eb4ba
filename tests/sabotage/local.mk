# Patches that break Weir, each of which makes a test fail that it names.

tests_sabotage =
EXTRA_DIST += $(tests_sabotage)
