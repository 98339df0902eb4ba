# The manual pages. weir(7) has the table of settings where its source has the
# line @SETTINGS@: what `weir options --mdoc` prints, so it cannot differ from
# the command. A cross-compiled weir cannot be run here; then the table is the
# one that `make dist` put into the tarball, and a checkout that has none gets it
# from a native build: make man/settings.mdoc there, and copy it.

man_MANS += man/weir.1 man/weir.7 man/weir-dump.5
EXTRA_DIST += man/weir.1.in man/weir.7.in man/weir-dump.5.in man/settings.mdoc scripts/dump_fields.awk
CLEANFILES += man/weir.1 man/weir.7 man/weir-dump.5 man/weir-dump.schema.json man/dump_fields.mdoc

if CROSS_COMPILING
man/settings.mdoc:
	@echo "$@ is missing: cross compiling takes it from a release or a native build" >&2; exit 1
else
CLEANFILES += man/settings.mdoc
man/settings.mdoc: weir$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && ./weir$(EXEEXT) options --mdoc >$@.tmp && mv -f $@.tmp $@
endif

# The library's. libweir(3) has the whole of examples/pool.c where its source has the line
# @EXAMPLE@, and weir_batcher_create(3) of examples/batch.c, so what they show is what is built
# and tested. A page of several functions is found by each one's name.
dist_man_MANS += man/weir_health.3 man/weir_pool_create.3 man/weir_pool_metrics.3 man/weir_set_log.3
man_MANS += man/libweir.3 man/weir_batcher_create.3
EXTRA_DIST += man/libweir.3.in man/weir_batcher_create.3.in
CLEANFILES += man/libweir.3 man/weir_batcher_create.3

man/libweir.3: man/libweir.3.in examples/pool.c Makefile
	$(AM_V_GEN)$(MKDIR_P) man && $(MAN_QUOTE) $(srcdir)/examples/pool.c >$@.quoted && \
	$(MAN_EXAMPLE) $(srcdir)/man/libweir.3.in >$@.tmp && mv -f $@.tmp $@ && rm -f $@.quoted
man/weir_batcher_create.3: man/weir_batcher_create.3.in examples/batch.c Makefile
	$(AM_V_GEN)$(MKDIR_P) man && $(MAN_QUOTE) $(srcdir)/examples/batch.c >$@.quoted && \
	$(MAN_EXAMPLE) $(srcdir)/man/weir_batcher_create.3.in >$@.tmp && mv -f $@.tmp $@ && rm -f $@.quoted

# As mdoc takes it literally; and that in place of @EXAMPLE@.
MAN_QUOTE = sed -e 's|\\|\\e|g' -e 's|^\.|\\\&.|'
MAN_EXAMPLE = sed -e '/^@EXAMPLE[@]$$/{' -e 'r $@.quoted' -e d -e '}'

man_names = sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([a-z_]*\).*/\1/p'
install-data-hook:
	cd '$(DESTDIR)$(man3dir)' && for page in weir_batcher_create weir_health weir_pool_create weir_pool_metrics weir_set_log; do \
		for name in `$(man_names) $$page.3`; do \
			test $$name = $$page || { rm -f $$name.3 && $(LN_S) $$page.3 $$name.3; }; \
		done; \
	done
uninstall-local:
	for page in weir_batcher_create weir_health weir_pool_create weir_pool_metrics weir_set_log; do \
		for name in `$(man_names) $(srcdir)/man/$$page.3*`; do \
			rm -f '$(DESTDIR)$(man3dir)'/$$name.3; \
		done; \
	done

MAN_EDIT = sed -e 's|@LIBDIR[@]|$(libdir)|g' -e 's|@DATADIR[@]|$(datadir)|g'

# The fields of a dump: the page's table and the schema are made from the rows that its reader
# is made from.
weirdatadir = $(datadir)/weir
nodist_weirdata_DATA = man/weir-dump.schema.json
DUMP_FIELDS = $(srcdir)/src/cli/dump_fields.def $(srcdir)/scripts/dump_fields.awk

man/weir-dump.schema.json: $(DUMP_FIELDS)
	$(AM_V_GEN)$(MKDIR_P) man && $(AWK) -v form=schema -f $(srcdir)/scripts/dump_fields.awk \
		$(srcdir)/src/cli/dump_fields.def >$@.tmp && mv -f $@.tmp $@

man/dump_fields.mdoc: $(DUMP_FIELDS)
	$(AM_V_GEN)$(MKDIR_P) man && $(AWK) -v form=mdoc -f $(srcdir)/scripts/dump_fields.awk \
		$(srcdir)/src/cli/dump_fields.def >$@.tmp && mv -f $@.tmp $@

man/weir-dump.5: man/weir-dump.5.in man/dump_fields.mdoc Makefile
	$(AM_V_GEN)$(MAN_EDIT) -e '/^@FIELDS[@]$$/{' -e 'r man/dump_fields.mdoc' -e d -e '}' \
		$(srcdir)/man/weir-dump.5.in >$@.tmp && mv -f $@.tmp $@

man/weir.1: man/weir.1.in Makefile
	$(AM_V_GEN)$(MKDIR_P) man && $(MAN_EDIT) $(srcdir)/man/weir.1.in >$@.tmp && mv -f $@.tmp $@

# make may have found the table in the source tree of a release.
man/weir.7: man/weir.7.in man/settings.mdoc Makefile
	$(AM_V_GEN)$(MKDIR_P) man && table=man/settings.mdoc && \
	{ test -f $$table || table=$(srcdir)/man/settings.mdoc; } && \
	$(MAN_EDIT) -e '/^@SETTINGS[@]$$/{' -e "r $$table" -e d -e '}' \
		$(srcdir)/man/weir.7.in >$@.tmp && mv -f $@.tmp $@
