#!/usr/bin/env bash
# exports.sh -- what the object shows is what preload/exports.expected says, written by hand:
# a name left out runs glibc's code beside ours, one too many breaks programs.
# And every name that glibc has of the malloc family is on that list.
set -u
export LC_ALL=C

here=$(cd "$(dirname "$0")/../.." && pwd)
list=${abs_top_srcdir:-$here}/preload/exports.expected
object=${TEST_OBJECT:?the object to look into}
failed=0
number=0

# fact NAME TEXT: passes where TEXT is empty, and else shows it.
fact() {
	number=$((number + 1))
	if [ -z "$2" ]; then
		echo "ok $number - $1"
	else
		failed=1
		echo "not ok $number - $1"
		printf '%s\n' "$2" | sed 's/^/#   /'
	fi
}

shown() {
	nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u
}

echo 1..5
names=$(shown "$object")
if [ -z "$names" ]; then
	fact "the object has a dynamic symbol table" "$object: none"
else
	fact "the object has a dynamic symbol table" ""
fi
fact "the list is sorted, and says nothing twice" "$(sort -u -c "$list" 2>&1)"
fact "every name on the list is exported" "$(comm -23 "$list" <(printf '%s\n' "$names"))"
fact "nothing else is exported" "$(comm -13 "$list" <(printf '%s\n' "$names"))"

# glibc's own: what is public there (not GLIBC_PRIVATE) and allocates, frees or reports.
family='^(malloc|calloc|realloc|reallocarray|free|cfree|memalign|aligned_alloc|posix_memalign|valloc|pvalloc'
family+='|malloc_usable_size|mallinfo2?|mallopt|malloc_trim|malloc_stats|malloc_info'
family+='|__libc_(malloc|calloc|realloc|free|memalign|valloc|pvalloc|mallinfo|mallopt))$'
libc=$(ldd "$object" | awk '$1 ~ /^libc\.so/ { print $3 }')
theirs=$(nm -D --defined-only "$libc" | grep -v GLIBC_PRIVATE | awk '{ sub(/@.*/, "", $3); print $3 }' |
	grep -E "$family" | sort -u)
if [ -z "$theirs" ]; then
	fact "every allocator of libc is on the list" "no names found in ${libc:-libc}"
else
	fact "every allocator of libc is on the list" "$(comm -23 <(printf '%s\n' "$theirs") "$list")"
fi
exit $failed
