noinst_LIBRARIES += libpool.a
libpool_a_CFLAGS = $(LAYER_CFLAGS)
libpool_a_SOURCES = \
	src/pool/apart.c \
	src/pool/apart.h \
	src/pool/arena.c \
	src/pool/arena.h \
	src/pool/arenas.c \
	src/pool/arenas.h \
	src/pool/demand.c \
	src/pool/demand.h \
	src/pool/habit.c \
	src/pool/habit.h \
	src/pool/headroom.c \
	src/pool/headroom.h \
	src/pool/lease.c \
	src/pool/lease.h \
	src/pool/limits.c \
	src/pool/limits.h \
	src/pool/magazine.c \
	src/pool/magazine.h \
	src/pool/pool.c \
	src/pool/pool.h \
	src/pool/pressure.c \
	src/pool/pressure.h \
	src/pool/purge.c \
	src/pool/purge.h \
	src/pool/range.c \
	src/pool/range.h \
	src/pool/reclaim.c \
	src/pool/reclaim.h \
	src/pool/resize.c \
	src/pool/returns.c \
	src/pool/returns.h \
	src/pool/run.h \
	src/pool/runs.c \
	src/pool/runs.h \
	src/pool/size_class.h \
	src/pool/slab.c \
	src/pool/slab.h \
	src/pool/stats.c \
	src/pool/stats.h \
	src/pool/taking.c \
	src/pool/taking.h \
	src/pool/tuning.h \
	src/pool/turn.c \
	src/pool/turn.h
