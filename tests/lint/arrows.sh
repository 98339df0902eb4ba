#!/bin/bash
# arrows.sh -- a folder includes only what stands to its right:
# preload, lib, cli -> report -> track -> pool -> base.
. "$(dirname "$0")/common.sh"

declare -A may_include=(
	[src/base]="base"
	[src/pool]="base pool"
	[src/track]="base pool track"
	[src/report]="base pool track report"
	[src/lib]="base pool track report lib include"
	[src/cli]="base pool track report cli"
	[preload]="base pool track report preload"
)

wrong_arrows()
{
	local folder=$1 file line target
	while read -r file; do
		while IFS=: read -r line target; do
			case $target in
			*/*) target=${target%%/*} ;;
			*) target=${folder##*/} ;;
			esac
			[[ " ${may_include[$folder]} " == *" $target "* ]] ||
				echo "$file:$line includes $target"
		done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' "$file" |
			sed -E 's/^([0-9]+):[^"]*"([^"]*)".*/\1:\2/')
		grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"\.\.?/' "$file" |
			sed "s|^|$file:|; s|\$| (paths start at src/ or the top)|"
	done < <(find "$folder" -name '*.[ch]' -o -name '*.def')
}

for folder in src/base src/pool src/track src/report src/lib src/cli preload; do
	[ -d "$folder" ] || continue
	quiet "$folder includes only: ${may_include[$folder]}" wrong_arrows "$folder"
done

# The check itself sees a wrong arrow.
mkdir -p "$scratch/src/base"
echo '#include "pool/pool.h"' >"$scratch/src/base/bad.c"
cd "$scratch" || exit 99
if [ -n "$(wrong_arrows src/base)" ]; then
	ok "a wrong arrow is seen"
else
	not_ok "a wrong arrow is seen"
fi
plan
