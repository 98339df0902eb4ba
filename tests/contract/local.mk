# The malloc family's contract, run on libc, on jemalloc and under Weir.

tests_contract =
EXTRA_DIST += $(tests_contract)
