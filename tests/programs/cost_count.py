#!/usr/bin/python3
"""cost_count.py -- what callgrind counted, for cost.sh.

    cost_count.py requests FEW MANY COUNT HEADER CPU_US
        FEW and MANY are callgrind's files of two runs that differ by COUNT requests, with tracking
        on; HEADER is sampler.h; a request takes CPU_US of a processor natively. Prints, for one request:
        instructions without tracking, samples while it was counted, instructions a sample, and the share
        in percent that samples have where one processor is busy with such requests.
    cost_count.py ratio FEW MANY FEW MANY
        how many percent more the second pair's difference has than the first pair's, without what only a
        process without restartable sequences executes.
    cost_count.py write sql|c|json COUNT
        input for sqlite3, cc1 and python, in proportion to COUNT, on stdout.

What is called by these names is tracking, apart from two instructions in malloc that are there in any case.
"""
import re
import sys

TRACKING = ("sampler_take", "track_birth", "track_death", "track_resize", "apart_take")

WITHOUT_RSEQ = ("magazine_pop_any", "magazine_push_any")


def read(path):
    """All instructions, and by name of a function how often it was called and what it cost with all it called."""
    names, counts, total, callee, calls = {}, {}, 0, None, 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(("fn=", "cfn=")):
                number, name = re.match(r"c?fn=\((\d+)\)(?: (.*))?", line).groups()
                names.setdefault(number, name)
                if line[0] == "c":
                    callee = names[number]
            elif line.startswith("calls="):
                calls = int(line[6:].split()[0])
            elif calls and line[0] in "0123456789+-*":
                before = counts.get(callee, (0, 0))
                counts[callee] = (before[0] + calls, before[1] + int(line.split()[1]))
                calls = 0
            elif line.startswith("totals:"):
                total += int(line.split()[1])
    return total, counts


def setting(header, name):
    return float(re.search(rf"#define {name} ([\d.]+)", header).group(1))


def requests(few, many, count, header, cpu_us):
    (total, counts), (total_few, counts_few) = read(many), read(few)
    count, header = int(count), open(header, encoding="utf-8").read()

    def more(name, which):
        return (counts.get(name, (0, 0))[which] - counts_few.get(name, (0, 0))[which]) / count

    samples, small = more("track_birth", 0), more("apart_take", 0)
    cost = sum(more(name, 1) for name in TRACKING)
    others = (total - total_few) / count - cost
    # A second's budget by the time of a request, and no more than there are.
    price = setting(header, "SAMPLER_PRICE_BUSY") / (float(cpu_us) * 1e-6)
    paid = min(samples - small, setting(header, "SAMPLER_BUDGET_POOL") / price)
    paid += min(small, setting(header, "SAMPLER_BUDGET_SMALL") / price)
    print(f"{others:.0f} {samples:.3f} {cost / samples if samples else 0:.0f} {100 * paid * cost / samples / others if samples else 0:.3f}")


def ratio(few, many, few_ours, many_ours):
    (ours, counts), (ours_few, counts_few) = read(many_ours), read(few_ours)
    theirs, ours = read(many)[0] - read(few)[0], ours - ours_few
    locks = sum(counts.get(name, (0, 0))[1] - counts_few.get(name, (0, 0))[1] for name in WITHOUT_RSEQ)
    print(f"{100 * ((ours - locks) / theirs - 1):.3f} {100 * locks / theirs:.3f}")


def write(kind, count):
    count = int(count)
    if kind == "sql":
        print(f"""create table t(a integer primary key, b text, c real);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})
insert into t select i, printf('row %d %s', i, hex(i * 7919)), i * 1.5 from n;
commit;
create index x on t(b);
select count(*), sum(c) from t where b like '%A%';
select substr(b, 5, 2) k, count(*) from t group by k order by 2 desc limit 5;""")
    elif kind == "c":
        for i in range(count):
            print(f"static int f{i}(int a, double *b) {{ int s = 0; for (int i = 0; i < a; i++) {{"
                  f"s += i * {i + 1}; b[i] = b[i] * b[i] + s; if (s & {i}) s ^= i; }} return s; }}")
        print("int main(void) { static double b[100]; int s = 0;", *(f"s += f{i}(s & 63, b);" for i in range(count)),
              "return s & 127; }")
    elif kind == "json":
        print("import json, re, collections",
              f'd = [{{"k%d" % (i % 97): [i, str(i) * 3, {{"x": i}}]}} for i in range({count})]',
              "s = json.dumps(d)", "e = json.loads(s)",
              'print(len(e), collections.Counter(re.findall("[0-9]+", s)).most_common(3))', sep="\n")


if __name__ == "__main__":
    {"requests": requests, "ratio": ratio, "write": write}[sys.argv[1]](*sys.argv[2:])
