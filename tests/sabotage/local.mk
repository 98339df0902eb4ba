# Patches that break Weir, each of which makes a test fail that it names.

tests_sabotage = tests/sabotage/run.sh
EXTRA_DIST += $(tests_sabotage) \
	tests/sabotage/age-ignored.patch \
	tests/sabotage/alignment-ignored.patch \
	tests/sabotage/batch-past-the-limit.patch \
	tests/sabotage/bound-off-by-one.patch \
	tests/sabotage/build-id-ignored.patch \
	tests/sabotage/calloc-trusts-reused.patch \
	tests/sabotage/class-one-too-small.patch \
	tests/sabotage/demand-floor-ignored.patch \
	tests/sabotage/demand-never-forgotten.patch \
	tests/sabotage/double-free-unseen.patch \
	tests/sabotage/dump-follows-links.patch \
	tests/sabotage/dump-overwrites.patch \
	tests/sabotage/dump-readable-by-all.patch \
	tests/sabotage/dump-takes-a-lock.patch \
	tests/sabotage/errno-lost.patch \
	tests/sabotage/errno-of-madvise.patch \
	tests/sabotage/escape-shown.patch \
	tests/sabotage/export-missing.patch \
	tests/sabotage/export-surplus.patch \
	tests/sabotage/fork-leaves-arenas-locked.patch \
	tests/sabotage/grown-into-a-neighbour.patch \
	tests/sabotage/half-cold-is-cold.patch \
	tests/sabotage/handler-not-chained.patch \
	tests/sabotage/hysteresis-gone.patch \
	tests/sabotage/inner-pointer-unseen.patch \
	tests/sabotage/json-not-escaped.patch \
	tests/sabotage/mask-not-given-back.patch \
	tests/sabotage/misuse-goes-on.patch \
	tests/sabotage/our-handler-shown.patch \
	tests/sabotage/page-not-escaped.patch \
	tests/sabotage/path-one-too-long.patch \
	tests/sabotage/purge-of-a-run-in-use.patch \
	tests/sabotage/purge-too-long.patch \
	tests/sabotage/push-lost.patch \
	tests/sabotage/pushed-item-lost.patch \
	tests/sabotage/realloc-loses-a-byte.patch \
	tests/sabotage/run-not-coalesced.patch \
	tests/sabotage/sigpipe-let-through.patch \
	tests/sabotage/slot-handed-out-twice.patch \
	tests/sabotage/stop-flag-ignored.patch \
	tests/sabotage/thread-takes-signals.patch \
	tests/sabotage/thread-unasked.patch \
	tests/sabotage/usable-size-forgotten.patch \
	tests/sabotage/vfork-changes-the-record.patch \
	tests/sabotage/wake-lost.patch \
	tests/sabotage/wrong-setting-unsaid.patch \
	tests/sabotage/zero-on-free-short.patch
