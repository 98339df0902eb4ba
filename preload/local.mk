EXTRA_DIST += preload/preload.h
