#!/bin/bash
# files.sh -- a source file says what it is for, and is short enough to be read.
# shellcheck disable=SC2016 # what awk sees as a field
. "$(dirname "$0")/common.sh"

too_long()
{
	sources '*.c' '*.h' '*.sh' '*.py' | xargs -d '\n' wc -l | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }'
}

# The first comment begins on line one and names the file.
no_opening()
{
	sources '*.c' '*.h' '*.def' | xargs -d '\n' awk '
		FNR == 1 { first = $0 }
		FNR == 2 {
			name = FILENAME
			sub(/.*\//, "", name)
			text = first " " $0
			if (!sub(/^\/\*[ *]*/, "", text) || index(text, name " -- ") != 1)
				print FILENAME ": does not open with /* " name " -- what it is for"
		}'
}

no_script_opening()
{
	sources '*.sh' '*.py' | while read -r file; do
		head -n 8 "$file" | grep -qE "^(#|\"\"\").*\b$(basename "$file" | sed 's/\./\\./g')\b.* -- " ||
			echo "$file: does not open with # $(basename "$file") -- what it is for"
	done
}

blanks_at_ends()
{
	sources '*.c' '*.h' '*.def' '*.sh' '*.py' '*.mk' '*.map' | xargs -d '\n' grep -nHE '[[:blank:]]+$'
}

no_newline_at_end()
{
	sources '*.c' '*.h' '*.def' '*.sh' '*.py' '*.mk' '*.map' >"$scratch/all"
	# grep counts a last line that has no end, wc does not.
	diff <(xargs -d '\n' grep -Hc '' <"$scratch/all") \
		<(xargs -d '\n' wc -l <"$scratch/all" | awk '$2 != "total" { print $2 ":" $1 }') | sed -n 's/^< //p'
}

# A merge that was committed half done.
conflict_markers()
{
	sources '*' | xargs -d '\n' grep -nHE '^(<<<<<<<|>>>>>>>)( |$)'
}

quiet "no file holds the marks of a conflict" conflict_markers
quiet "no file is longer than 600 lines" too_long
quiet "every C file opens with its name and what it is for" no_opening
quiet "every script opens with its name and what it is for" no_script_opening
quiet "no line ends in blanks" blanks_at_ends
quiet "every file ends with a newline" no_newline_at_end
plan
