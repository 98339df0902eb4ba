# Patches that break Weir, each of which makes a test fail that it names.

tests_sabotage = tests/sabotage/run.sh
EXTRA_DIST += $(tests_sabotage) \
	tests/sabotage/age-ignored.patch \
	tests/sabotage/alignment-ignored.patch \
	tests/sabotage/batch-past-the-limit.patch \
	tests/sabotage/bound-off-by-one.patch \
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
	tests/sabotage/export-missing.patch \
	tests/sabotage/export-surplus.patch \
	tests/sabotage/fork-leaves-arenas-locked.patch \
	tests/sabotage/free-slot-freed.patch \
	tests/sabotage/grown-into-a-neighbour.patch \
	tests/sabotage/half-cold-is-cold.patch \
	tests/sabotage/handler-not-chained.patch \
	tests/sabotage/hysteresis-gone.patch \
	tests/sabotage/inner-pointer-unseen.patch \
	tests/sabotage/json-not-escaped.patch \
	tests/sabotage/large-past-the-limit.patch \
	tests/sabotage/leg-end-is-a-point.patch \
	tests/sabotage/mask-not-given-back.patch \
	tests/sabotage/misuse-goes-on.patch \
	tests/sabotage/old-number-honoured.patch \
	tests/sabotage/our-handler-shown.patch \
	tests/sabotage/path-one-too-long.patch \
	tests/sabotage/purge-of-a-run-in-use.patch \
	tests/sabotage/purge-too-long.patch \
	tests/sabotage/push-lost.patch \
	tests/sabotage/pushed-item-lost.patch \
	tests/sabotage/realloc-loses-a-byte.patch \
	tests/sabotage/run-not-coalesced.patch \
	tests/sabotage/sample-freed-untold.patch \
	tests/sabotage/sampled-calloc-not-cleared.patch \
	tests/sabotage/sigpipe-let-through.patch \
	tests/sabotage/slot-handed-out-twice.patch \
	tests/sabotage/stop-flag-ignored.patch \
	tests/sabotage/thinned-weigh-the-same.patch \
	tests/sabotage/thread-begins-at-zero.patch \
	tests/sabotage/thread-takes-signals.patch \
	tests/sabotage/thread-unasked.patch \
	tests/sabotage/usable-size-forgotten.patch \
	tests/sabotage/vfork-changes-the-record.patch \
	tests/sabotage/wake-lost.patch \
	tests/sabotage/weight-not-inverse.patch \
	tests/sabotage/weight-of-the-new-interval.patch \
	tests/sabotage/wrong-setting-unsaid.patch \
	tests/sabotage/zero-on-free-short.patch
