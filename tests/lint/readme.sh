#!/bin/bash
# readme.sh -- what README.md tells a reader to type is there.
. "$(dirname "$0")/common.sh"

# Words of its indented or fenced command lines, and of its `code`.
# shellcheck disable=SC2016
code()
{
	sed -nE '/^```/,/^```/p; s/^    (.*)/\1/p' README.md | grep -v '^```'
	grep -oE '`[^`]+`' README.md | tr -d '`'
}

missing_verbs()
{
	code | grep -oE '\./dev [a-z]+' | sort -u | while read -r _ verb; do
		grep -qE "^$verb( \| [a-z-]+)*\)\$" dev || echo "./dev $verb: no such verb"
	done
}

missing_files()
{
	code | grep -oE '\b(src|preload|man|tests|bench|examples|include|scripts)/[A-Za-z0-9_./-]*' | sort -u |
		while read -r file; do
			[ -e "$file" ] || echo "$file: no such file"
		done
	grep -oE '\]\([^)#]+\)' README.md | sed 's/^](//; s/)$//' | grep -v '^http' | while read -r file; do
		[ -e "$file" ] || echo "$file: no such file"
	done
}

# A setting that is named is one of options.def's.
missing_settings()
{
	code | grep -oE '\bWEIR_[A-Z_]+\b' | sort -u | while read -r name; do
		lower=$(echo "${name#WEIR_}" | tr '[:upper:]' '[:lower:]')
		grep -qE "^WEIR_OPTION\($lower," src/base/options.def || echo "$name: no such setting"
	done
}

missing_weir_verbs()
{
	[ -x "$build_dir/weir" ] || return 0
	code | grep -oE '(^|[ `])weir [a-z]+' | awk '{print $2}' | sort -u | while read -r verb; do
		"$build_dir/weir" "$verb" --help >/dev/null 2>&1 || echo "weir $verb: no such verb"
	done
}

quiet "every ./dev verb in README.md exists" missing_verbs
quiet "every file in README.md exists" missing_files
quiet "every setting in README.md exists" missing_settings
quiet "every weir verb in README.md exists" missing_weir_verbs
plan
