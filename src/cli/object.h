/*
 * object.h -- finds the shared object that is preloaded.
 */
#ifndef WEIR_CLI_OBJECT_H
#define WEIR_CLI_OBJECT_H

#include <limits.h>

#include "base/compiler.h"

#define OBJECT_NAME "libweir-preload.so"

/*
 * Put the absolute path of the object into path. asked_for (or NULL) is where
 * the user says that it is; else $WEIR_OBJECT says so; else the places where a
 * build or an installation has it are looked at. False, with a complaint, where
 * there is none, or none that the loader could preload.
 */
bool object_find(const char *asked_for, char path[PATH_MAX]);

/*
 * The value for LD_PRELOAD: the object first, then what stands in existing
 * (NULL: nothing) less any Weir that is there already. To be freed; NULL
 * without memory.
 */
char *object_preload_value(const char *object, const char *existing);

#endif
