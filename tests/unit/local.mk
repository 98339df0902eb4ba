# Check programs, one per module: tests/unit/test_MODULE.c needs one line here.

tests_unit =

check_PROGRAMS += $(tests_unit)
