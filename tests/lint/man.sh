#!/bin/bash
# man.sh -- the man pages are good mdoc, and refer to pages that exist.
#
# Whether a page that ours refer to is installed, and whether this machine's
# mandoc.db knows of it, says nothing about ours: so those two messages are left
# out, and each reference is looked up here instead.
. "$(dirname "$0")/common.sh"
need mandoc

# Pages of others that ours refer to.
foreign=(env.1 node.1 pprof.1 ps.1 valgrind.1 varnishd.1 fork.2 madvise.2 mlockall.2 poll.2 process_vm_readv.2 ptrace.2 rename.2 seccomp.2
	signalfd.2
	writev.2 dlopen.3 execvp.3 jemalloc.3 malloc.3 sigqueue.3 sigwait.3 snprintf.3 cgroups.7 signal.7 ld.so.8 nginx.8)

mapfile -t pages < <(for page in man/*.[1-9] "$build_dir"/man/*.[1-9]; do [ -e "$page" ] && echo "$page"; done)

lint_one()
{
	mandoc -Tlint -W style "$1" 2>&1 | grep -vE \
		-e '^mandoc: outdated mandoc\.db lacks [^ ]+\([1-9]\) entry, run makewhatis ' \
		-e ' STYLE: referenced manual not found: Xr [^ ]+ [1-9]( \([0-9]+ times\))?$'
}

# Every .Xr NAME SECTION that is neither ours nor known of others.
wrong_references()
{
	local file=$1 known name section line
	known=" ${pages[*]##*/} ${foreign[*]} "
	grep -nE '^\.Xr ' "$file" | sed -E 's/^([0-9]+):\.Xr /\1 /' | while read -r line name section _; do
		[[ $known == *" $name.$section "* ]] || echo "$file:$line: there is no $name($section)"
	done
}

for page in "${pages[@]}"; do
	quiet "mandoc finds nothing in ${page##*/}" lint_one "$page"
	quiet "${page##*/} refers to pages that exist" wrong_references "$page"
done
[ ${#pages[@]} -gt 0 ] || not_ok "there are man pages"

# Both really look.
printf '.Dd November 22, 2026\n.Dt BAD 1\n.Os\n.Sh NAME\n.Nm bad\n.Nd is bad\n.Sh SEE ALSO\n.Xr weri 7\n.Bogus\n' \
	>"$scratch/bad.1"
if [ -n "$(lint_one "$scratch/bad.1")" ]; then
	ok "an unknown macro is seen"
else
	not_ok "an unknown macro is seen"
fi
if [ -n "$(wrong_references "$scratch/bad.1")" ]; then
	ok "a reference to a page that does not exist is seen"
else
	not_ok "a reference to a page that does not exist is seen"
fi
plan
