#!/bin/bash
# pressure.sh -- programs whose live bytes stay under the limit of their cgroup survive it, whatever idles between
# their phases (bench/pressure.c says what each shape does). With a real cgroup, v1 or v2, of 96 MiB, 57 of
# them live at most. The peers are killed in most of these shapes: bench/pressure.py shows it.
#
# outside is the one that says how soon: within three seconds the program takes in mappings of its own
# what its heap has just set free, which fits only if the pool gives it back in the first of them.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

build=${TEST_BUILD_DIR:?}
source=${TEST_SOURCE_DIR:?}

survives() { # SHAPE
	timeout -k 5 "$LIMIT" "${plain_env[@]}" "$PYTHON" -B "$source/bench/pressure.py" --program "$build/bench/pressure" \
		--only weir --shapes "$1" --limit 96 --share 60 "weir=$TEST_OBJECT"
}

for shape in sizes turns kinds frames handed outside; do
	fact="$shape: a program with 57 MiB alive survives a limit of 96 MiB"
	survives "$shape" >"$TMP/$shape.out" 2>"$TMP/$shape.err"
	case $? in
	0) ok "$fact" ;;
	77) skip "$fact" "$(tail -n 1 "$TMP/$shape.err")" ;;
	*)
		if is_weir; then
			not_ok "$fact" "$TMP/$shape.out"
		else
			skip "$fact" "the object is not Weir"
		fi
		;;
	esac
done
finish
