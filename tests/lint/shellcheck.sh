#!/bin/bash
# This is shellcheck.sh -- shellcheck finds nothing in any shell script.
. "$(dirname "$0")/common.sh"
need shellcheck

# Those with another name than *.sh are known by their first line.
scripts()
{
	sources '*.sh'
	grep -lE '^#! ?/(usr/)?bin/(env )?(ba)?sh' dev .ci/* 2>/dev/null
}

while read -r script; do
	check "shellcheck finds nothing in $script" shellcheck --external-sources \
		--source-path=SCRIPTDIR "$script"
done < <(scripts)
plan
