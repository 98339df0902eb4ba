# What only a preloaded process shows: scripts, and the programs that they run.

tests_preload = tests/preload/counts.sh tests/preload/dumps.sh tests/preload/exports.sh tests/preload/library.sh \
	tests/preload/memory.sh tests/preload/own_handler.sh tests/preload/run.sh tests/preload/track.py
EXTRA_DIST += $(tests_preload)

tests_preload_flags = -I$(top_srcdir) -D_GNU_SOURCE
tests_preload_work = tests/common/harness.c tests/common/harness.h tests/common/pattern.h \
	tests/preload/work.c tests/preload/work.h

check_PROGRAMS += tests/preload/library tests/preload/own_handler tests/preload/confine tests/preload/plugins tests/preload/processes \
	tests/preload/memory tests/preload/signals tests/preload/stuck tests/preload/threads \
	tests/preload/bounds tests/preload/early tests/preload/late tests/preload/probe \
	tests/preload/tracked tests/preload/tracked_cxx

tests_preload_library_SOURCES = tests/preload/library.c
tests_preload_library_CPPFLAGS = $(tests_preload_flags)
tests_preload_library_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_library_LDADD = -L. -lweir
tests_preload_library_LDFLAGS = $(AM_LDFLAGS) -Wl,-rpath,'$(abs_top_builddir)'
EXTRA_tests_preload_library_DEPENDENCIES = libweir.so
tests_preload_own_handler_SOURCES = tests/preload/own_handler.c
tests_preload_own_handler_CPPFLAGS = $(tests_preload_flags)
tests_preload_own_handler_LDADD = -lpthread
tests_preload_bounds_SOURCES = tests/preload/bounds.c $(tests_preload_work)
tests_preload_bounds_CPPFLAGS = $(tests_preload_flags)
tests_preload_bounds_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_bounds_LDADD = -lpthread
tests_preload_confine_SOURCES = tests/preload/confine.c $(tests_preload_work)
tests_preload_confine_CPPFLAGS = $(tests_preload_flags)
tests_preload_confine_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_confine_LDADD = -lpthread
tests_preload_memory_SOURCES = tests/preload/memory.c
tests_preload_memory_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_memory_LDADD = -lpthread
tests_preload_plugins_SOURCES = tests/preload/plugins.c $(tests_preload_work)
tests_preload_plugins_CPPFLAGS = $(tests_preload_flags)
tests_preload_plugins_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_plugins_LDADD = -ldl -lpthread
tests_preload_processes_SOURCES = tests/preload/processes.c tests/preload/handler_forks.c tests/preload/vfork.c $(tests_preload_work)
tests_preload_processes_CPPFLAGS = $(tests_preload_flags)
tests_preload_processes_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_processes_LDADD = -ldl -lpthread
tests_preload_signals_SOURCES = tests/preload/signals.c $(tests_preload_work)
tests_preload_signals_CPPFLAGS = $(tests_preload_flags)
tests_preload_signals_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_signals_LDADD = -lpthread
tests_preload_stuck_SOURCES = tests/preload/stuck.c $(tests_preload_work)
tests_preload_stuck_CPPFLAGS = $(tests_preload_flags)
tests_preload_stuck_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_stuck_LDADD = -lpthread
tests_preload_threads_SOURCES = tests/preload/threads.c $(tests_preload_work)
tests_preload_threads_CPPFLAGS = $(tests_preload_flags)
tests_preload_threads_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_threads_LDADD = -lpthread
tests_preload_early_SOURCES = tests/preload/early.c
tests_preload_early_CPPFLAGS = $(tests_preload_flags)
tests_preload_early_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_late_SOURCES = tests/preload/late.c
tests_preload_late_CPPFLAGS = $(tests_preload_flags)
tests_preload_late_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_late_LDADD = -lpthread
tests_preload_probe_SOURCES = tests/preload/probe.c
tests_preload_probe_CPPFLAGS = $(tests_preload_flags)
tests_preload_probe_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_preload_probe_LDADD = -lpthread

# Judged by functions' names, so with symbols whatever the user's flags.
tests_preload_tracked_SOURCES = tests/preload/tracked.c
tests_preload_tracked_CPPFLAGS = $(tests_preload_flags)
tests_preload_tracked_CFLAGS = $(AM_CFLAGS) -fno-builtin -g
tests_preload_tracked_LDADD = -ldl -lpthread
tests_preload_tracked_cxx_SOURCES = tests/preload/tracked_cxx.cc
tests_preload_tracked_cxx_CPPFLAGS = -I$(top_srcdir)
tests_preload_tracked_cxx_CXXFLAGS = $(AM_CXXFLAGS) -std=c++17
tests_preload_tracked_cxx_LDADD =

# Loaded into those programs; looked for beside them.
tests_preload_objects = tests/preload/edge.so tests/preload/plugin_deep.so tests/preload/plugin_cxx.so \
	tests/preload/loader.so tests/preload/beside/leaf.so \
	tests/preload/tracked_plugin.so tests/preload/tableless.so
check_DATA += $(tests_preload_objects)
CLEANFILES += $(tests_preload_objects)
EXTRA_DIST += tests/preload/edge.c tests/preload/plugin_deep.c tests/preload/plugin_cxx.cc \
	tests/preload/loader.c tests/preload/leaf.c tests/preload/tracked_plugin.c
tests/preload/edge.so: tests/preload/edge.c tests/preload/$(am__dirstamp)
	$(AM_V_CCLD)$(CC) $(tests_preload_flags) $(CFLAGS) -fno-builtin -shared -fPIC -o $@ $(top_srcdir)/tests/preload/edge.c
tests/preload/plugin_deep.so: tests/preload/plugin_deep.c tests/preload/$(am__dirstamp)
	$(AM_V_CCLD)$(CC) $(tests_preload_flags) $(CFLAGS) -fno-builtin -shared -fPIC -o $@ $(top_srcdir)/tests/preload/plugin_deep.c
tests/preload/plugin_cxx.so: tests/preload/plugin_cxx.cc tests/preload/$(am__dirstamp)
	$(AM_V_CCLD)$(CXX) $(CXXFLAGS) -std=c++17 -shared -fPIC -o $@ $(top_srcdir)/tests/preload/plugin_cxx.cc -lpthread
tests/preload/loader.so: tests/preload/loader.c tests/preload/$(am__dirstamp)
	$(AM_V_CCLD)$(CC) $(tests_preload_flags) $(CFLAGS) -shared -fPIC -Wl,--enable-new-dtags,-rpath,'$$ORIGIN/beside' \
		-o $@ $(top_srcdir)/tests/preload/loader.c
tests/preload/beside/leaf.so: tests/preload/leaf.c tests/preload/$(am__dirstamp)
	$(AM_V_CCLD)$(MKDIR_P) tests/preload/beside && \
		$(CC) $(tests_preload_flags) $(CFLAGS) -shared -fPIC -o $@ $(top_srcdir)/tests/preload/leaf.c
tests/preload/tracked_plugin.so: tests/preload/tracked_plugin.c tests/preload/$(am__dirstamp)
	$(AM_V_CCLD)$(CC) $(CFLAGS) -g -fno-builtin -shared -fPIC -Wl,--build-id=sha1 \
		-o $@ $(top_srcdir)/tests/preload/tracked_plugin.c
tests/preload/tableless.so: tests/preload/tracked_plugin.c tests/preload/$(am__dirstamp)
	$(AM_V_CCLD)$(CC) $(CFLAGS) -g -fno-builtin -fomit-frame-pointer -fno-asynchronous-unwind-tables \
		-fno-unwind-tables -fno-exceptions -shared -fPIC -o $@ $(top_srcdir)/tests/preload/tracked_plugin.c
