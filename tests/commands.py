"""How we know that each command on the pages works.

A listing with `curl` is typed into a shell, with a step started for it. The program's own parser
checks other lines as far as it can. The rest is in REASONS, or is a mistake.
"""

import ast
import importlib.util
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import click
from gunicorn import config as gunicorn_config

from pages import listings_of
from workshop.cli import main
from workshop.steps import ROOT, all_steps, find_step, procfile

SHELLS = ("sh", "bash", "shell", "console")
FILTERS = re.compile("awk|cut|grep|head|jq|less|od|sed|sort|tail|tr|uniq|wc")  # after a |
# Commands that neither a shell nor a parser gets, with the reason.
REASONS = {
    r"source \.venv/bin/activate": "the tests are run by that environment already",
    r"python3 -m venv \.uv": "test_readme.py types it",
    r"\.uv/bin/pip install uv": "test_readme.py types it",
    r"\.uv/bin/uv run (workshop start 5|pytest)": "test_readme.py types it, or is run by it",
    r"celery --workdir steps/02\S+ -A tasks flower .*": "test_readme.py types it",
    r"curl -s http://127\.0\.0\.1:9105/metrics": "test_operations.py of step 05 asks it",
    r"mkdir -p mine": "test_smallest_forms.py types it",
    r"celery --workdir mine -A count worker .*": "test_smallest_forms.py types it",
    r"flask --app mine/ticks run .*": "test_smallest_forms.py types it",
    r"(lsof|ss|ps|pgrep|nproc|ulimit|sysctl)\b.*": "a look at the machine, with its own tools",
}
# A line, or several: the input of a program up to a mark (<<'END'), or a loop.
COMMAND = re.compile(r"^.*<<'(\w+)'$[\s\S]*?^\1$|^for .*$[\s\S]*?^done\b.*$|^.+$", re.MULTILINE)
# The status must be 200 to 299 or 304, or the one in a remark at the end of the line. Where the
# page itself takes the headers, only curl's own code counts. A curl that a pipe (23) or the page's
# own time limit (28) ends has not failed.
CURL = r"""
set -o pipefail
curl() {
  rm -f "$HEADERS"
  command curl --max-time 60 --dump-header "$HEADERS" "$@"
  local code=$? status
  case $code in 0|22|23|28) ;; *) return $code ;; esac
  [ -s "$HEADERS" ] || return 0
  status=$(sed -n 's/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$HEADERS" | tail -n 1)
  case $status in $EXPECTED|304) ;; *) echo "status $status" >&2; return 1 ;; esac
}
"""


class NotKnown(Exception):
    """There is no rule for this command, or the rule says that it doesn't work."""


def commands(listing: str) -> list[str]:
    """The commands in a listing, without lines that are remarks."""
    text = re.sub(r"\\\n\s*", "", listing)
    lines = [found[0] for found in re.finditer(COMMAND, text)]
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def is_typed(listing: str) -> bool:
    """Whether the listing sends requests to a step, and is typed as a whole, line after line."""
    return "curl" in listing and ":8000" in listing


def typed_lines(page: Path) -> list[str]:
    shells = [listing for listing in listings_of(page) if listing.language in SHELLS]
    return [line for known in shells if is_typed(known.text) for line in commands(known.text)]


def script(page: Path) -> str:
    """Types the commands of the page, and ends at the first one with a wrong answer."""
    lines = [CURL]
    for command in typed_lines(page):
        remark = re.search(r"#[^'\"]*\b([2-5]\d\d)\b[^'\"]*$", command)
        lines += [f"EXPECTED='{remark[1] if remark else '2??'}'", command]
        lines += [f"[ $? = 0 ] || {{ echo {shlex.quote(f'failed: {command}')} >&2; exit 1; }}"]
    return "\n".join(lines)


def check(command: str, folder: Path = ROOT):
    """Raises NotKnown, unless each part of the line is known to work."""
    line, _, fed = command.partition("\n")
    if fed:
        return check_fed(line, fed)
    for number, words in enumerate(parts(command)):
        if words[0] == "cd":
            folder = existing(folder / words[1])
        elif number == 0 or not FILTERS.fullmatch(words[0]):
            check_part(words, folder)
    return None


def check_fed(line, text):
    """Checks lines of Python, up to a mark. There is no rule for other programs, or for loops."""
    if not line.startswith(("python - <<", "cat > mine/")):
        raise NotKnown(f"no rule in tests/commands.py knows lines that follow on: {line}")
    ast.parse(text.rpartition("\n")[0])


def parts(command):
    """The words of each simple command between |, &&, || and ;."""
    command = re.sub(r"^\((.*)\)$", r"\1", command)  # in a shell of its own
    command = re.sub(r" \d?>+ ?(?:&\d|[\w./-]+)", "", command)  # without redirections
    lexer = shlex.shlex(command, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    found = [[]]
    for word in lexer:
        if set(word) <= set(";&|"):
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]


def check_part(words, folder):
    said = " ".join(words)
    if variable := re.match(r"(\w+)=", words[0]):
        check_variable(variable[1])
        if words[1:]:
            check_part(words[1:], folder)
    elif words[0] in RULES:
        RULES[words[0]](words[1:], folder)
    elif said not in by_hand() and not any(re.fullmatch(known, said) for known in REASONS):
        raise NotKnown(f"no rule in tests/commands.py knows it: {said}")


@cache
def by_hand():
    """What the Procfiles start, as a user types it."""
    lines = [line for step in all_steps() for line in procfile(step).values()]
    return {line.replace("${PORT:-8000}", port) for line in lines for port in ("8000", "8010")}


def workshop(words, folder):
    """click parses it, the steps exist, and the arguments for another program are valid there."""
    command, values = parsed(main, ["workshop", *words])
    for step in (values[name] for name in ("step", "before", "after") if values.get(name)):
        check_step(step)
    if command.name == "check" and values.get("number"):
        existing(ROOT / "tests" / "exercises" / f"check_{values['number'].replace('.', '_')}.py")
    if command.name == "test" and values:
        pytest(values["arguments"], find_step(values["step"]))
    if command.name == "compare":
        python(["tests/load/compare.py", *values["arguments"]], ROOT)


def parsed(command, words):
    """The innermost command, and the values of all parameters: none with --help."""
    context, values = None, {}
    try:
        while True:
            context = command.make_context(words[0], words[1:], parent=context)
            values |= context.params
            if not isinstance(command, click.Group):
                return command, values
            rest = [*context._protected_args, *context.args]
            name, command, rest = command.resolve_command(context, rest)
            words = [name, *rest]
    except click.exceptions.Exit:
        return command, {}
    except click.UsageError as error:
        raise NotKnown(error.format_message()) from error


def check_step(step):
    """A step, a copy of one that the learner made, or all of these."""
    try:
        if step != "mine":
            find_step(step.removeprefix("mine/"))
    except click.UsageError as error:
        raise NotKnown(error.format_message()) from error


def python(words, folder):
    if words[0] == "-c":
        ast.parse(words[1])
    elif words[:2] == ["-m", "pytest"]:
        pytest(words[2:], folder)
    elif words[0] == "-m":
        if not importlib.util.find_spec(words[1]):
            raise NotKnown(f"no module {words[1]}")
    else:
        if command := command_in(existing(folder / words[0])):
            parsed(command, words)


@cache
def command_in(script):
    """The click command of a script; None if it has none."""
    sys.path.insert(0, str(script.parent))
    try:
        found = runpy.run_path(str(script)).values()
        return next((value for value in found if isinstance(value, click.Command)), None)
    finally:
        sys.path.remove(str(script.parent))


def pytest(words, folder):
    """Finds tests there, and runs none."""
    collected = collect(tuple(words), folder)
    if collected.returncode:
        raise NotKnown(collected.stdout + collected.stderr)


@cache
def collect(words, folder):
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def uv(words, folder):
    """`uv run` with a known command, or `uv sync` with groups that exist."""
    if words[0] == "run":
        return check_part(words[1:], folder)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    if not re.fullmatch(rf"sync( --group ({'|'.join(known)}))*", " ".join(words)):
        raise NotKnown(f"uv {' '.join(words)}")
    return None


def git(words, folder):
    """`git apply` and `git diff --no-index`, with files that exist."""
    if words[0] != "apply" and words[:2] != ["diff", "--no-index"]:
        raise NotKnown(f"git {' '.join(words)}")
    for word in words[1:]:
        if not word.startswith("-"):
            existing(folder / word)


def gunicorn(words, folder):
    try:
        options = gunicorn_config.Config().parser().parse_args(words)
    except SystemExit as error:
        raise NotKnown(f"gunicorn {' '.join(words)}") from error
    folders = [existing(folder / (options.chdir or ".")), *all_steps()]
    # A README of a step means its own folder.
    if options.config and not any((place / options.config).exists() for place in folders):
        raise NotKnown(f"{options.config} is not there")


def export(words, folder):
    for word in words:
        check_variable(word.partition("=")[0])


def existing(path):
    """The path, if it exists. For a learner's copy, its step counts."""
    there = Path(str(path).replace(f"{ROOT}/mine/", f"{ROOT}/steps/"))
    if not there.exists():
        raise NotKnown(f"{path.relative_to(ROOT)} is not there")
    return there


def check_variable(name):
    if name not in variables():
        raise NotKnown(f"no code of ours reads the variable {name}")


@cache
def variables():
    places = ("steps/**/*.py", "steps/*/Procfile", "workshop/*.py", "tests/**/*.py")
    code = [file.read_text() for place in places for file in ROOT.glob(place)]
    return set(re.findall(r"(?:environ\S*[\[(]\"|envvar=\"|\$\{)([A-Z_]+)", " ".join(code)))


RULES = {
    "workshop": workshop,
    "python": python,
    "python3": python,
    "pytest": pytest,
    "uv": uv,
    "git": git,
    "gunicorn": gunicorn,
    "export": export,
    "sleep": lambda words, folder: None,
    "time": lambda words, folder: check_part(words, folder),
    "timeout": lambda words, folder: check_part(words[1:], folder),
}
