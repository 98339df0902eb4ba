#!/bin/bash
# abi.sh OBJECT -- the ABI of libweir.so as libabigail writes it: functions and types of weir.h
# only, without what differs between two builds of the same.
set -euo pipefail
cd "$(dirname "$0")/.."
abidw --exported-interfaces-only --headers-dir "$PWD/include" --drop-private-types --type-id-style hash \
	--no-comp-dir-path --no-corpus-path --no-show-locs "$1" |
	sed -E "s/ comp-dir-path='[^']*'//; s/ path='[^']*\/([^/']*)'/ path='\1'/"
