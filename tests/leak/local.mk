# Leak risk on programs that run: hours in seconds by WEIR_TIME_SCALE, several at once. The long form is
# bench/leak/run.py.

tests_leak = tests/leak/busy.py tests/leak/evaluate.py tests/leak/redis.py tests/leak/shapes.py
EXTRA_DIST += $(tests_leak) tests/leak/said.py tests/leak/tap.py
if WITH_PRELOAD
check_PROGRAMS += tests/leak/busy
tests_leak_busy_LDADD =
check_DATA += bench/leak/shapes$(EXEEXT) bench/leak/injector.so
endif
