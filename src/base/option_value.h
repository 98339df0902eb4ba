/*
 * option_value.h -- the spellings of a setting's value, both ways.
 *
 * For options.c only; whoever else wants a value written or set uses options.h.
 */
#ifndef WEIR_BASE_OPTION_VALUE_H
#define WEIR_BASE_OPTION_VALUE_H

#include "base/options.h"

/* Why a text is no value of its option. */
enum option_fault { OPTION_OK, OPTION_NOT_UNDERSTOOD, OPTION_TOO_SMALL, OPTION_TOO_LARGE };

/* Parse text into option's member of settings; left as it was unless OPTION_OK. */
enum option_fault option_parse(const struct option_info *option, const char *text, struct settings *settings);

#endif
