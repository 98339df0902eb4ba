# dump_fields.awk -- the table in weir-dump(5) and the JSON Schema, from dump_fields.def.
#
#   awk -v form=mdoc -f dump_fields.awk dump_fields.def
#   awk -v form=schema -f dump_fields.awk dump_fields.def
#
# Run by make; needs no built weir, so a cross build can do it too. A row is one line, as
# the head of dump_fields.def says. What the sections are called in a dump, what they
# are in it and how they hang together stands here.

BEGIN {
	# section, its name in the dump, object or list, always or perhaps, what it is
	section("TOP", "", "object", "ALWAYS", "At the top of the dump.")
	section("HEALTH", "health", "object", "ALWAYS", "The same figures as below, few and for people.")
	section("ADVICE", "recommendations", "list", "ALWAYS", "Each said only where the facts behind it hold; gravest first.")
	section("METRICS", "metrics", "object", "ALWAYS", "The figures that one looks at first.")
	section("RISK", "risk", "object", "PERHAPS", "Is it a leak? Absent where leaks are not followed.")
	section("SITE", "sites", "list", "PERHAPS", "Call sites, most at risk first; at most 32. What stands for samples is an estimate.")
	section("FRAME", "frames", "list", "ALWAYS", "The stack of a site, innermost frame first, Weir's own left out.")
	section("NOT_LISTED", "not_listed", "object", "PERHAPS", "The sites past the bound of the list, as one sum.")
	section("LIFETIME", "lifetimes", "list", "PERHAPS", "Buckets of ages, each from where the one before it ends.")
	section("BY_SIZE", "lifetimes_by_size", "list", "PERHAPS", "The same for groups of sizes, freed objects only.")
	section("TRACKING", "tracking", "object", "PERHAPS", "What following lifetimes takes, and what it had to leave out.")
	section("PRESSURE", "pressure", "object", "ALWAYS", "How scarce memory is, as of the last tick.")
	section("HEAP", "heap", "object", "ALWAYS", "The pool's own structures.")
	section("APART", "apart", "object", "ALWAYS", "Sampled allocations of other sizes; in none of the figures above.")
	section("CLASS", "classes", "list", "ALWAYS", "Size classes that were ever asked for, smallest first.")
	section("BUFFER", "buffers", "list", "ALWAYS", "Buffers in use, longest in use first; at most 64.")
	section("FALLBACK", "fallback", "object", "PERHAPS", "What jemalloc says of itself; absent until the first tick.")
	section("PROCESS", "process", "object", "ALWAYS", "What /proc says of the process.")
	section("MAPPING", "mappings", "list", "PERHAPS", "Where program text is mapped, for the frames above.")

	word["COUNT"] = "Whole number"; json["COUNT"] = "\"type\": \"integer\", \"minimum\": 0"
	word["REAL"] = "Number from 0"; json["REAL"] = "\"type\": \"number\", \"minimum\": 0"
	word["SIGNED"] = "Number"; json["SIGNED"] = "\"type\": \"number\""
	word["SHARE"] = "Number from 0 to 1"; json["SHARE"] = "\"type\": \"number\", \"minimum\": 0, \"maximum\": 1"
	word["TEXT"] = "Text"; json["TEXT"] = "\"type\": \"string\""
	word["TIME"] = "Time (RFC 3339)"
	json["TIME"] = "\"type\": \"string\", \"pattern\": \"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\\\.[0-9]{3}Z$\""
	word["LEVEL"] = "Text"; json["LEVEL"] = "\"enum\": [\"LOW\", \"MEDIUM\", \"HIGH\"]"
	word["BOOL"] = "True or false"; json["BOOL"] = "\"type\": \"boolean\""
	word["ADDRESS"] = "Hexadecimal digits behind 0x, as a text"
	json["ADDRESS"] = "\"type\": \"string\", \"pattern\": \"^0x[0-9a-f]{1,16}$\""
	word["NAME"] = "Text"; json["NAME"] = "\"type\": \"string\", \"minLength\": 1"
}

function section(id, name, shape, when, meaning)
{
	ids[++sections] = id
	name_of[id] = name
	shape_of[id] = shape
	when_of[id] = when
	about[id] = meaning
}

/^DUMP_[A-Z_]+\(/ {
	id = substr($0, 6, index($0, "(") - 6)
	rest = substr($0, index($0, "(") + 1)
	split(rest, part, ", ")
	quoted = substr(rest, index(rest, "\"") + 1)
	if (!(id in name_of) || !(part[2] in word) || part[3] !~ /^(ALWAYS|PERHAPS)$/ || quoted !~ /", ".*"\)$/) {
		print FILENAME ":" FNR ": is no row of fields" >"/dev/stderr"
		exit failed = 1
	}
	n = ++count[id]
	field[id, n] = part[1]
	type[id, n] = part[2]
	when[id, n] = part[3]
	unit[id, n] = substr(quoted, 1, index(quoted, "\"") - 1)
	text = substr(quoted, index(quoted, "\"") + 4)
	meaning[id, n] = substr(text, 1, length(text) - 2) # still with C's backslashes
}

# Words on lines that a page's writer would write.
function wrap(text,    words, n, i, line)
{
	n = split(text, words, " ")
	line = words[1]
	for (i = 2; i <= n; i++) {
		if (length(line) + 1 + length(words[i]) > 76) {
			print line
			line = words[i]
		} else {
			line = line " " words[i]
		}
	}
	print line
}

function mdoc(    s, id, i, text)
{
	for (s = 1; s <= sections; s++) {
		id = ids[s]
		if (id == "TOP")
			print ".Ss The dump itself"
		else if (id == "FRAME")
			print ".Ss frames, in each of sites"
		else if (id == "APART")
			print ".Ss apart, in heap"
		else
			print ".Ss " name_of[id]
		if (id != "TOP") {
			wrap((shape_of[id] == "list" ? "A list of objects" : "An object") (when_of[id] == "PERHAPS" ? ", which may be absent." : "."))
			gsub(/[?] /, "?\n", about[id])
			gsub(/[.] /, ".\n", about[id])
			print about[id]
		}
		print ".Bl -tag -width Ds"
		for (i = 1; i <= count[id]; i++) {
			print ".It Va " field[id, i]
			text = meaning[id, i]
			gsub(/\\"/, "\"", text)
			gsub(/\.\.\./, "and others", text)
			wrap(word[type[id, i]] (unit[id, i] == "" || unit[id, i] == "share" ? "" : unit[id, i] == "UTC" ? " in UTC" : ", " unit[id, i]) \
				(when[id, i] == "PERHAPS" ? ", may be absent: " : ": ") text ".")
		}
		print ".El"
	}
}

# The members of a section, then required and the end of the object.
function members(id, indent, more, more_required,    i, required)
{
	printf "%s\"type\": \"object\",\n%s\"properties\": {\n", indent, indent
	for (i = 1; i <= count[id]; i++) {
		printf "%s  \"%s\": {%s, \"description\": \"%s%s\"}%s\n", indent, field[id, i], json[type[id, i]], \
			unit[id, i] == "" || unit[id, i] == "share" ? "" : unit[id, i] ": ", meaning[id, i], \
			i < count[id] || more != "" ? "," : ""
		if (when[id, i] == "ALWAYS")
			required = required (required == "" ? "" : ", ") "\"" field[id, i] "\""
	}
	printf "%s%s},\n%s\"required\": [%s%s]\n", more, indent, indent, required, more_required
}

function schema(    s, id, more, required, comma)
{
	print "{"
	print "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\","
	print "  \"title\": \"A dump of Weir, weir-dump(5)\","
	print "  \"description\": \"Made from dump_fields.def. Members that are not listed may come with later versions.\","
	for (s = 2; s <= sections; s++) {
		id = ids[s]
		if (id == "FRAME" || id == "APART")
			continue
		more = more sprintf("    \"%s\": {%s},\n", name_of[id], \
			shape_of[id] == "list" ? "\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/" name_of[id] "\"}" \
			: "\"$ref\": \"#/$defs/" name_of[id] "\"")
		if (when_of[id] == "ALWAYS")
			required = required ", \"" name_of[id] "\""
	}
	more = more "    \"config\": {\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}}\n"
	members("TOP", "  ", more, required ", \"config\"")
	print "  ,\"$defs\": {"
	for (s = 2; s <= sections; s++) {
		id = ids[s]
		print "    \"" name_of[id] "\": {"
		if (id == "SITE")
			members(id, "      ", "        \"frames\": {\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/frames\"}}\n", ", \"frames\"")
		else if (id == "HEAP")
			members(id, "      ", "        \"apart\": {\"$ref\": \"#/$defs/apart\"}\n", ", \"apart\"")
		else if (id == "HEALTH")
			members(id, "      ", "        \"recommendations\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}}\n", ", \"recommendations\"")
		else
			members(id, "      ", "", "")
		print "    }" (s < sections ? "," : "")
	}
	print "  }"
	print "}"
}

END {
	if (failed)
		exit 1
	if (form == "schema")
		schema()
	else
		mdoc()
}
