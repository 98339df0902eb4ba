# What only a preloaded process shows: scripts, and the programs that they run.

tests_preload = \
	tests/preload/exports.sh
EXTRA_DIST += $(tests_preload)
