# setup.sh -- packages, bootstrap, configure, make: what ./dev needs before anything.
# shellcheck shell=bash disable=SC2034,SC2191
#
# Sourced by ./dev in the top directory with JOBS set. Every step looks first
# whether it is done: packages by asking dpkg, the rest by checksums of what it was
# done from, kept in .dev/ and in the build directories.

# A package, or package=command where the command may have come another way.
packages_build=(gcc=gcc g++=g++ libc6-dev make=make patch=patch autoconf automake pkgconf=pkg-config xz-utils=xz
	libjemalloc-dev libjansson-dev libdw-dev zlib1g-dev libncurses-dev check)
packages_lint=(binutils abigail-tools=abidw clang-format=clang-format clang-tidy=clang-tidy cppcheck=cppcheck
	shellcheck=shellcheck mandoc=mandoc)
packages_tests=(python3=python3 python3-jsonschema strace=strace)
mapfile -t packages_programs < <(grep -v '^#' tests/programs/packages)
packages_peers=(libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 libtbbmalloc2)
packages_bench=(apache2-utils=ab linux-perf=perf)
packages_charts=(gnuplot-nox=gnuplot)
packages_aarch64=(gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)

say()
{
	echo "dev: $*" >&2
}

# Servers keep their program in sbin, which a user's PATH may lack.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

is_installed()
{
	local package=${1%%=*} command=${1#*=}
	if [ "$command" != "$1" ] && command -v "$command" >/dev/null; then
		return 0
	fi
	# shellcheck disable=SC2016 # dpkg-query's own ${...}
	[ "$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | head -n 1)" = installed ]
}

# missing WORD...: the packages that are not there
missing()
{
	local word
	for word in "$@"; do
		is_installed "$word" || echo "${word%%=*}"
	done
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

apt_install()
{
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o APT::Color=0 \
		-qq -y --no-install-recommends install "$@" >>"$apt_log" 2>&1
}

# Servers that are installed for tests are not to be started: Debian asks
# policy-rc.d, and one that is there already is somebody else's and stays.
policy=/usr/sbin/policy-rc.d
is_policy_ours=no
forbid_services()
{
	[ ! -e $policy ] || return 0
	printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
	is_policy_ours=yes
	as_root chmod 755 $policy
}
allow_services()
{
	[ $is_policy_ours = yes ] || return 0
	as_root rm -f $policy
	is_policy_ours=no
}

# install_missing WORD...: true when all of them are there afterwards
install_missing()
{
	local wanted package
	mapfile -t wanted < <(missing "$@")
	[ ${#wanted[@]} -gt 0 ] || return 0
	if ! command -v apt-get >/dev/null; then
		say "there is no apt-get here; please install: ${wanted[*]}"
		return 1
	fi
	mkdir -p .dev
	apt_log=$PWD/.dev/apt.log
	if [ "$(id -u)" = 0 ]; then
		say "installing with apt-get: ${wanted[*]}"
	elif command -v sudo >/dev/null; then
		say "installing with apt-get, through sudo: ${wanted[*]}"
	else
		say "not root, and there is no sudo; please install: ${wanted[*]}"
		return 1
	fi
	trap allow_services EXIT
	forbid_services
	if [ -z "${is_apt_updated:-}" ]; then
		as_root apt-get -o DPkg::Lock::Timeout=600 -qq update >>"$apt_log" 2>&1 ||
			say "apt-get update failed (see .dev/apt.log); trying with the lists that are there"
		is_apt_updated=yes
	fi
	if ! apt_install "${wanted[@]}"; then
		for package in "${wanted[@]}"; do
			apt_install "$package" || say "apt-get cannot install $package (see .dev/apt.log)"
		done
	fi
	allow_services
	trap - EXIT
	[ -z "$(missing "$@")" ]
}

need_packages()
{
	install_missing "$@" || {
		say "cannot go on without: $(missing "$@" | tr '\n' ' ')"
		exit 1
	}
}

checksum()
{
	cat "$@" | sha256sum | cut -d ' ' -f 1
}

# quietly LOG COMMAND...: says nothing unless it fails
quietly()
{
	local log=$1
	shift
	mkdir -p "$(dirname "$log")"
	if ! "$@" >"$log" 2>&1; then
		say "this failed: $*"
		tail -n 60 "$log" >&2
		return 1
	fi
}

bootstrap()
{
	local sum
	sum=$(find . -name local.mk -not -path './build*' -print0 | LC_ALL=C sort -z |
		xargs -0 cat configure.ac Makefile.am | sha256sum | cut -d ' ' -f 1)
	mkdir -p .dev
	if [ -x configure ] && [ "$(cat .dev/bootstrapped 2>/dev/null)" = "$sum" ]; then
		return 0
	fi
	say "making configure"
	quietly .dev/log/autoreconf autoreconf -fi || return 1
	echo "$sum" >.dev/bootstrapped
}

# configure_tree DIR ARGS...
configure_tree()
{
	local dir=$1 sum
	shift
	bootstrap || return 1
	mkdir -p "$dir"
	sum="$* $(checksum configure)"
	if [ -e "$dir/Makefile" ] && [ "$(cat "$dir/.configured" 2>/dev/null)" = "$sum" ]; then
		return 0
	fi
	say "configuring $dir"
	(cd "$dir" && quietly ../.dev/log/configure-"$dir" ../configure "$@") || return 1
	echo "$sum" >"$dir/.configured"
}

# build_tree DIR [ARGS...]: everything, tests' programs excepted
build_tree()
{
	local dir=$1
	shift
	[ $# -gt 0 ] || set -- --enable-werror --enable-long-tests
	configure_tree "$dir" "$@" || return 1
	quietly .dev/log/make-"$dir" make -C "$dir" -j"$JOBS"
}

# build_tests DIR: the tests' programs, of a tree that build_tree built
build_tests()
{
	quietly .dev/log/make-tests-"$1" make -C "$1" -j"$JOBS" check TESTS=
}

# Only what ./dev and Autotools make; read-only trees are what distcheck leaves.
clean_tree()
{
	local dir
	for dir in build build-aarch64 build-asan build-fuzz build-tsan build-ubsan .dev; do
		[ -d "$dir" ] || continue
		chmod -R u+w "$dir"
		rm -rf "$dir"
	done
	rm -rf build-aux autom4te.cache aclocal.m4 configure configure~ Makefile.in
}
