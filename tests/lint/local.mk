# What is read, not run: looks, arrows, forbidden calls, documents.

tests_lint = \
	tests/lint/arrows.sh \
	tests/lint/clang-format.sh \
	tests/lint/clang-tidy.sh \
	tests/lint/cppcheck.sh \
	tests/lint/files.sh \
	tests/lint/forbidden-calls.sh \
	tests/lint/harness.sh \
	tests/lint/headers-alone.sh \
	tests/lint/hot-path.sh \
	tests/lint/library.sh \
	tests/lint/man.sh \
	tests/lint/readme.sh \
	tests/lint/results.sh \
	tests/lint/shellcheck.sh
EXTRA_DIST += $(tests_lint) \
	tests/lint/common.sh \
	tests/lint/cppcheck.suppressions
