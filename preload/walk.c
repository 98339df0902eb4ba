/*
 * walk.c -- dl_iterate_phdr, as far as tracking has to see it pass.
 *
 * The loader's lock is held while the program's callback runs, and the callback may wait for anything. A
 * tick asks the loader too, and must not wait for that: it runs within malloc, or somebody waits
 * for its end in fork. So it has to know who is in here (track/modules.c).
 *
 * The function goes by the return address for nothing but the namespace of its caller, and who
 * finds this one is in the first, as we are. No lock but the loader's; as thread-safe as libc's.
 */
#include <link.h>

#include "preload/elf_symbol.h"
#include "preload/preload.h"
#include "track/modules.h"

/* libc's own, past anybody else's: found without the loader's help, since a tick may not ask for it. */
void walk_start(void)
{
	static bool is_started; /* written while there is one thread */
	const struct link_map *libc;
	void *walk;

	if (is_started)
		return;
	is_started = true;
	libc = elf_find_object("libc.so.6");
	walk = libc != NULL ? elf_find_symbol(libc, "dl_iterate_phdr") : NULL;
	if (walk != NULL)
		modules_set_walk((modules_walk *)walk);
}

/* Also where an exception of the callback's passes through, as it does through libc's. */
static void is_back(const bool *unused UNUSED)
{
	modules_walk_end();
}

EXPORT int dl_iterate_phdr(int (*see)(struct dl_phdr_info *info, size_t size, void *data), void *data)
{
	static modules_walk *real; /* relaxed: whoever looks it up stores the same */

	if (LOAD_RELAXED(&real) == NULL)
		STORE_RELAXED(&real, (modules_walk *)preload_real("dl_iterate_phdr"));
	if (LOAD_RELAXED(&real) == NULL)
		return 0;
	modules_walk_begin();
	__attribute__((cleanup(is_back))) bool is_inside UNUSED = true;
	return real(see, data);
}
