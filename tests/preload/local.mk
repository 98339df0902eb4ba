# What only a preloaded process shows: scripts, and the programs that they run.

tests_preload =
EXTRA_DIST += $(tests_preload)
