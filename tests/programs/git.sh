#!/bin/bash
# git.sh -- git makes the same objects under the preload object as without it: 1,500
# files are added and committed, changed and committed again, packed by several
# threads, cloned through a forked upload-pack, and found whole by fsck.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs git git

export HOME=$TMP GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_AUTHOR_DATE="2001-02-03 04:05:06 +0000"
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_COMMITTER_DATE="2001-02-03 04:05:06 +0000"
export GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=pack.threads GIT_CONFIG_VALUE_0=4 \
	GIT_CONFIG_KEY_1=init.defaultBranch GIT_CONFIG_VALUE_1=main GIT_CONFIG_KEY_2=gc.auto GIT_CONFIG_VALUE_2=0

# Text that packs well, and large pieces that do not.
"$PYTHON" - "$TMP/files" <<'END'
import hashlib, os, sys
for index in range(1500):
    folder = os.path.join(sys.argv[1], str(index % 37), str(index % 11))
    os.makedirs(folder, exist_ok=True)
    text = "".join(f"line {line * index % 977} of {index}\n" for line in range(index % 400 + 5))
    if index % 100 == 0:
        text = hashlib.shake_256(b"%d" % index).hexdigest(150000 + 5000 * index // 10)
    with open(os.path.join(folder, str(index)), "w", encoding="ascii") as file:
        file.write(text)
END

work() { # MODE: prints what git made
	local repo=$TMP/$1
	"$1" git init -q "$repo" && cp -r "$TMP/files/." "$repo" && (
		cd "$repo" || exit
		"$1" git add . && "$1" git commit -qm first || exit
		find . -name '*7' -path './[0-9]*' -type f -exec sed -i '1s/^/changed /' {} +
		rm -r ./5
		"$1" git commit -qam second || exit
		"$1" git branch side HEAD~1 && "$1" git diff --stat side main | tail -n 1
		"$1" git gc -q --prune=now || exit
		"$1" git fsck --full --strict || exit
		"$1" git log -p --all | sha_in
	) && "$1" git clone -q --bare "file://$repo" "$repo.git" &&
		"$1" git -C "$repo.git" fsck --full &&
		"$1" git -C "$repo.git" archive --format=tar main | sha_in &&
		"$1" git -C "$repo.git" rev-parse main 'main^{tree}' side 'side^{tree}' &&
		"$1" git -C "$repo.git" rev-list --objects --all | sha_in
}
work plain >"$TMP/plain.out" 2>"$TMP/plain.err"
same "git works here without the object" 0 "$?"
export WEIR_DUMP_AT_EXIT=on
work under >"$TMP/under.out" 2>"$TMP/under.err"
same "every command ends with status 0" 0 "$?"
same "the same commits, trees, objects and archive" "$(cat "$TMP/plain.out")" "$(cat "$TMP/under.out")"
same "the same files checked in" "$(plain git -C "$TMP/plain" ls-tree -r main | sha_in)" \
	"$(plain git -C "$TMP/under" ls-tree -r main | sha_in)"
check "git without the object finds what was made under it whole" plain git -C "$TMP/under.git" fsck --full --strict
check_dump "its commands leave dumps at their exit when asked" exit git '*' 10 1

check_quiet "$TMP/under.err"
finish
