#!/bin/bash
# browser.sh -- the page of weir report opens in Chromium without an error and without any request to elsewhere.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs chromium chromium

weir=${TEST_WEIR:?the command}

# What the browser asks for on its own account goes nowhere: no name is found but the page's own could be.
browse() # NAME FILE OPTIONS...: leaves NAME.err, NAME.net
{
	local name=$1 file=$2
	shift 2
	LIMIT=60 plain env HOME="$TMP" chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
		--user-data-dir="$TMP/$name.profile" --no-first-run --disable-sync --disable-background-networking \
		--disable-component-update --host-resolver-rules='MAP * ~NOTFOUND, EXCLUDE 127.0.0.1' \
		--enable-logging=stderr --v=0 --log-net-log="$TMP/$name.net" "$@" "file://$file" >"$TMP/$name.out" 2>"$TMP/$name.err"
}

# The addresses that were asked for, those of the browser's maker left out.
requests()
{
	grep -oE '"url":"[a-z]+://[^"]*"' "$TMP/$1.net" | grep -E '"(https?|wss?|ftp)://' |
		grep -vE '://([a-z0-9-]+\.)*(google|googleapis|gvt1|googleusercontent|gstatic)\.com/' | sort -u
}

"$PYTHON" "$here/../cli/make_dump.py" >"$TMP/a.json"
"$weir" report --html --output "$TMP/page.html" "$TMP/a.json"
check "a page is made" test -s "$TMP/page.html"
sed 's|"program": ".*"|"program": "<img src=http://127.0.0.1:9/evil onerror=console.error(1)>"|' "$TMP/a.json" >"$TMP/evil.json"
"$weir" report --html --output "$TMP/evil.html" "$TMP/evil.json"

for name in page evil; do
	browse $name "$TMP/$name.html" --dump-dom
	check "Chromium opens the page ($name)" grep -q '<h2>Live bytes by stack</h2>' "$TMP/$name.out"
	check "nothing is said on its console ($name)" eval "! grep CONSOLE '$TMP/$name.err'"
	check "and nothing is asked for ($name)" test -z "$(requests $name)"
done

# The script works: a click on a function widens it to all of the graph.
sed 's|</body>|<script>var g=document.querySelectorAll("#flame g")[2];g.dispatchEvent(new Event("click"));document.title=g.querySelector("rect").getAttribute("width")</script></body>|' \
	"$TMP/page.html" >"$TMP/click.html"
browse click "$TMP/click.html" --dump-dom
check "a click widens a function of the flame graph" grep -q '<title>1199</title>' "$TMP/click.out"

# The looks above see what they are for.
echo '<h2>bad</h2><script>console.error("no")</script><img src="http://127.0.0.1:9/x">' >"$TMP/bad.html"
browse bad "$TMP/bad.html" --dump-dom
check "a word on the console is seen" grep -q CONSOLE "$TMP/bad.err"
check "a request is seen" test -n "$(requests bad)"
# And the page itself forbids what it does not do.
sed 's|<main>|<main><img src="http://127.0.0.1:9/x">|' "$TMP/page.html" >"$TMP/forbidden.html"
browse forbidden "$TMP/forbidden.html" --dump-dom
check "an image put into the page is not asked for" test -z "$(requests forbidden)"
finish
