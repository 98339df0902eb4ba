"""said.py -- what a program of these tests said on stdout: where its site is, and which dumps it asked for.

    site START END            the function's bounds, as offsets in the program
    dump NUMBER ... LEAKED    a dump, and how many objects were lost until then
"""
import json


def dumps_of(said, folder, name):
    """(the site's bounds, [(leaked, dump)]); the dumps are NAME.NUMBER.json in the folder."""
    bounds, dumps = None, []
    for words in map(str.split, said.splitlines()):
        if words[0] == "site":
            bounds = int(words[1], 0), int(words[2], 0)
        elif words[0] == "dump":
            with open(f"{folder}/{name}.{words[1]}.json", encoding="utf-8") as file:
                dumps.append((int(words[-1]), json.load(file)))
    return bounds, dumps


def is_there(site, program, bounds):
    """Whether the innermost frame of the site is within these bounds of the program."""
    frame = site["frames"][0]
    return frame.get("module", "").endswith(f"/{program}") and bounds[0] <= int(str(frame["offset"]), 0) < bounds[1]
