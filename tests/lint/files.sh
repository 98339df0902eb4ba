#!/bin/bash
# files.sh -- a source file says what it is for, and is short enough to be read.
. "$(dirname "$0")/common.sh"

too_long()
{
	sources '*.c' '*.h' '*.sh' '*.py' | while read -r file; do
		lines=$(wc -l <"$file")
		[ "$lines" -le 600 ] || echo "$file: $lines lines"
	done
}

# The first comment begins on line one and names the file.
no_opening()
{
	sources '*.c' '*.h' '*.def' | while read -r file; do
		head -n 2 "$file" | tr '\n' ' ' | grep -qE '^/\*[ *]*'"$(basename "$file" | sed 's/\./\\./g')"' -- ' ||
			echo "$file: does not open with /* $(basename "$file") -- what it is for"
	done
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
	sources '*.c' '*.h' '*.def' '*.sh' '*.py' '*.mk' '*.map' | while read -r file; do
		grep -nHE '[[:blank:]]+$' "$file"
	done
}

no_newline_at_end()
{
	sources '*.c' '*.h' '*.def' '*.sh' '*.py' '*.mk' '*.map' | while read -r file; do
		[ -z "$(tail -c 1 "$file")" ] || echo "$file"
	done
}

# A merge that was committed half done.
conflict_markers()
{
	sources '*' | while read -r file; do
		grep -nHE '^(<<<<<<<|>>>>>>>)( |$)' "$file"
	done
}

quiet "no file holds the marks of a conflict" conflict_markers
quiet "no file is longer than 600 lines" too_long
quiet "every C file opens with its name and what it is for" no_opening
quiet "every script opens with its name and what it is for" no_script_opening
quiet "no line ends in blanks" blanks_at_ends
quiet "every file ends with a newline" no_newline_at_end
plan
