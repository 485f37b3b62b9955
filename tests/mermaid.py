"""Is this a diagram that Mermaid draws? A strict grammar of the small part that the notes use.

What is not known here is refused, though Mermaid may know it. GitHub shows an error in place of a
diagram where one line is wrong, and no parser for it comes without a browser or Node.
"""

import re

NAME = r"(?!end\b)[A-Za-z]\w*"
SAID = r"[^;#]*\S"  # to Mermaid, ; ends a statement, and # begins the code of a character
ARROW = r"(?:<<)?-?-(?:>>|>|x|\))"
LABEL = r'(?:"[^"]+"|(?:[^\[\](){}|"<>;#]|<br/?>)+)'
BRACKETS = (r"\[\(", r"\)\]"), (r"\(\[", r"\]\)"), (r"\(\(", r"\)\)"), (r"\[", r"\]")
BRACKETS += (r"\(", r"\)"), (r"\{", r"\}")
SHAPE = "|".join(opening + LABEL + closing for opening, closing in BRACKETS)
NODE = rf"{NAME}(?:{SHAPE})?(?: & {NAME}(?:{SHAPE})?)*"
EDGE = rf"(?:<?--+>|---+|<?-\.->|-\.-|<?==+>)(?:\|{LABEL}\|)?|-- {LABEL} -->|-\. {LABEL} \.->"

SEQUENCE = {
    "autonumber": r"autonumber",
    "participant": rf"(?:participant|actor) ({NAME})(?: as {SAID})?",
    "message": rf"({NAME}) ?{ARROW} ?[+-]?({NAME}) ?: ?{SAID}",
    "note": rf"[Nn]ote (?:over|left of|right of) ({NAME})(?:, ?({NAME}))?: ?{SAID}",
    "activation": rf"(?:activate|deactivate) ({NAME})",
    "begin": rf"(?:loop|alt|opt|par|critical|break|rect|box) {SAID}",
    "middle": rf"(?:else|and|option)(?: {SAID})?",
    "end": r"end",
}
FLOWCHART = {
    "begin": rf"subgraph {NAME}(?: ?\[{LABEL}\])?",
    "end": r"end",
    "direction": r"direction (?:TB|TD|BT|LR|RL)",
    "edges": rf"{NODE}(?: ?(?:{EDGE}) ?{NODE})*",
}
KINDS = {r"sequenceDiagram": SEQUENCE, r"(?:flowchart|graph) (?:TB|TD|BT|LR|RL)": FLOWCHART}
MIDDLE_OF = {"else": "alt", "and": "par", "option": "critical"}


def first_error(diagram: str) -> tuple[int, str] | None:
    """(line, what is wrong), the first line being 1; None for a good diagram."""
    lines = enumerate(map(str.strip, diagram.splitlines()), 1)
    lines = [(number, line) for number, line in lines if line and not line.startswith("%%")]
    if len(lines) < 2:
        return 1, "nothing is drawn"
    (first, header), *rest = lines
    grammar = next((KINDS[kind] for kind in KINDS if re.fullmatch(kind, header)), None)
    return error_in(rest, grammar) if grammar else (first, f"unknown kind of diagram: {header}")


def error_in(lines, grammar):
    blocks = []  # (line, first word) of those that are open
    declared = set()
    for number, line in lines:
        kind, names = understood(line, grammar)
        first_word = line.split()[0]
        if kind is None:
            return number, f"not understood: {line}"
        if kind == "participant":
            declared |= names
        elif declared and names - declared:  # Mermaid would draw one more
            return number, f"no participant of this name: {line}"
        elif kind == "begin":
            blocks.append((number, first_word))
        elif kind == "middle" and (not blocks or blocks[-1][1] != MIDDLE_OF[first_word]):
            return number, f"in no block of its kind: {line}"
        elif kind == "end" and not blocks:
            return number, "an end without a beginning"
        elif kind == "end":
            blocks.pop()
    return (blocks[-1][0], f"no end: {blocks[-1][1]}") if blocks else None


def understood(line, grammar):
    for kind, pattern in grammar.items():
        if match := re.fullmatch(pattern, line):
            return kind, set(filter(None, match.groups()))
    return None, set()
