/*
 * generated.h -- names for the frames of a dump that lie in generated code.
 */
#ifndef WEIR_CLI_GENERATED_H
#define WEIR_CLI_GENERATED_H

#include "cli/dump.h"
#include "cli/perf_map.h"

/*
 * Give each frame that is in no module what a perf map calls its place, and say in the dump how
 * many have no name, and why. given: the map that the user has named, which is to outlive the
 * dump; NULL: the one at its customary place is looked for, if there is such a frame at all.
 */
void generated_name(struct dump *dump, struct perf_map *given);

/* "3 frames are in generated code without a name: ..."; false: there are none. */
bool generated_nameless(const struct dump *dump, char *text, size_t size);

#endif
