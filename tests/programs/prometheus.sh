#!/bin/bash
# prometheus.sh -- the metrics of a leaking program go by node_exporter's textfile collector into
# Prometheus, where an alert of ours fires; promtool and Python's client find nothing wrong with them.
#
# The program's time runs 600 times as fast, and what the rules wait for is a second.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs prometheus prometheus promtool
needs prometheus-node-exporter prometheus-node-exporter
needs curl curl
share=$here/../../share

check "promtool finds nothing wrong with the alert rules" promtool check rules "$share/weir-alerts.yml"
check "the rules fire when they should, and only then" \
	eval "cd '$share' && promtool test rules weir-alerts-test.yml"

is_weir || {
	skip "the metrics" "the object is not Weir"
	finish
}

# ---- a program that keeps every tenth buffer ----

mkdir "$TMP/text"
cat >"$TMP/leaking.py" <<'END'
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
kept, ring = [], [None] * 64
for i in range(100000):
    ring[i % 64] = bytearray(16384 + i % 1000)
    if i % 10 == 0:
        kept.append(ring[i % 64])
    time.sleep(0.002)
END
# shellcheck disable=SC2034 # read by in_mode()
leaking_env=("${under_env[@]}" WEIR_TIME_SCALE=600 WEIR_MEMORY_LIMIT=1G "WEIR_METRICS_FILE=$TMP/text/%e.%p.prom"
	WEIR_DUMP_FORMAT=openmetrics)
start leaking leaking "$PYTHON" "$TMP/leaking.py"
leaking=$STARTED
file=$TMP/text/python3.$leaking.prom
check "the file of metrics is there, under the name that the setting makes" until_true 10 test -s "$file"
value() { sed -n "s/^weir_$1{[^}]*} //p" "$file"; } # METRIC
check "promtool finds nothing wrong with the metrics" eval "promtool check metrics <'$file'"

kill -USR1 "$leaking"
dump=$DUMPS/python3.$leaking.1.om
check "a dump in the form of OpenMetrics is there" until_true 10 grep -q '^# EOF$' "$dump"
if "$PYTHON" -c 'import prometheus_client' 2>/dev/null; then
	check "Python's Prometheus client reads it as OpenMetrics, every family with help, type and a value" \
		"$PYTHON" - "$dump" <<'END'
import sys
from prometheus_client.openmetrics import parser
families = list(parser.text_string_to_metric_families(open(sys.argv[1]).read()))
assert len(families) > 25, len(families)
for family in families:
    assert family.documentation and family.type in ("gauge", "counter") and family.samples, family
    for sample in family.samples:
        assert sample.labels["program"] == "python3" and sample.timestamp is None, sample
END
else
	skip "Python's Prometheus client reads it as OpenMetrics" "python3-prometheus-client is not installed"
fi

# ---- node_exporter and Prometheus ----

node_port=$(free_port)
start exporter plain prometheus-node-exporter --web.listen-address="127.0.0.1:$node_port" \
	--collector.disable-defaults --collector.textfile --collector.textfile.directory="$TMP/text"
check "node_exporter listens" until_listening "$node_port" "$STARTED" || finish
scrape() { plain curl -fsS "http://127.0.0.1:$node_port/metrics"; }
check "its textfile collector takes the file without an error" \
	eval "scrape >'$TMP/scraped' && grep -q '^node_textfile_scrape_error 0' '$TMP/scraped' &&
		grep -q '^weir_pool_in_use_bytes{pid=\"$leaking\",program=\"python3\"} [1-9]' '$TMP/scraped'"

sed 's/for: .*/for: 1s/' "$share/weir-alerts.yml" >"$TMP/rules.yml"
cat >"$TMP/prometheus.yml" <<END
global: {scrape_interval: 250ms, evaluation_interval: 250ms}
rule_files: ["$TMP/rules.yml"]
scrape_configs:
  - job_name: node
    static_configs: [{targets: ["127.0.0.1:$node_port"]}]
END
port=$(free_port)
start prometheus plain prometheus --config.file="$TMP/prometheus.yml" --storage.tsdb.path="$TMP/data" \
	--web.listen-address="127.0.0.1:$port"
check "Prometheus listens" until_listening "$port" "$STARTED" || finish
query() { plain curl -fsS --data-urlencode "query=$1" "http://127.0.0.1:$port/api/v1/query"; }
# With a result.
knows() { query "$1" | grep -q '"value":\['; }
check "Prometheus has the program's bytes in use" until_true 15 knows "weir_pool_in_use_bytes{pid=\"$leaking\"} > 0"
check "and counters as counters" until_true 15 knows "rate(weir_pool_allocations_total{pid=\"$leaking\"}[10s]) > 0"
check "the leak is found: its risk is HIGH" until_true 30 knows "weir_leak_risk_level{pid=\"$leaking\"} == 2"
check "the alert that pages fires" until_true 15 knows \
	"ALERTS{alertname=\"WeirLeakLikely\",alertstate=\"firing\",pid=\"$leaking\",severity=\"page\"}"

cat >"$TMP/dashboard.py" <<'END'
import json, re, sys, urllib.parse, urllib.request
known = set(re.findall(r"^(weir_\w+)\{", open(sys.argv[1]).read(), re.M))
texts = {sys.argv[2]: open(sys.argv[2]).read(), sys.argv[3]: open(sys.argv[3]).read()}
# What is there only where the machine has it, or the program has come to it.
known |= {"weir_memory_stalled_some_ratio", "weir_memory_stalled_full_ratio", "weir_time_to_limit_seconds"}
for name, text in texts.items():
    unknown = set(re.findall(r"\bweir_[a-z_]+\b", re.sub(r"label_values\([^)]*\)", "", text))) - known
    assert not unknown, (name, unknown)
expressions = [t["expr"] for p in json.loads(texts[sys.argv[2]])["panels"] for t in p["targets"]]
assert len(expressions) > 15
for expression in expressions:
    expression = re.sub(r'"\$\w+"', '".*"', expression)
    url = sys.argv[4] + "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    assert json.load(urllib.request.urlopen(url))["status"] == "success", expression
END
check "every metric in the dashboard and the rules is one that Weir writes, every expression one that Prometheus takes" \
	plain "$PYTHON" "$TMP/dashboard.py" "$file" "$share/weir-dashboard.json" "$share/weir-alerts.yml" \
	"http://127.0.0.1:$port"

kill -TERM "$leaking"
end_of "$leaking" 10
check "a program that ends takes its file away" test ! -e "$file"
check "and leaves nothing beside it" eval "[ -z \"\$(ls -A '$TMP/text')\" ]"
check_quiet "$TMP/leaking.err"
finish
