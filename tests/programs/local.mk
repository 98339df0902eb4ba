# Real programs give under Weir what they give without it.

tests_programs =
EXTRA_DIST += $(tests_programs)
