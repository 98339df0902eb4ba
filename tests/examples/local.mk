# The examples at work, and what a token costs; part of check-programs.

tests_examples = tests/examples/batch.sh tests/examples/batch_cost.sh tests/examples/relay.sh
tests_programs += $(tests_examples)
EXTRA_DIST += $(tests_examples)

if WITH_PRELOAD
check_DATA += bench/batch
endif
