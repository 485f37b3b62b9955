"""What the pages say is true: listings, links, commands, diagrams and tables."""

import ast
import csv
import os
import re
import shutil
import subprocess
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from threading import Thread

import pytest

import commands
import mermaid
import pages
from pages import PAGES, listings, name
from workshop.cli import main
from workshop.processes import running
from workshop.steps import ROOT, find_step

NOTES = ROOT / "notes"
RESULTS = NOTES / "results"
LONGEST_LINE = 99

every_page = pytest.mark.parametrize("page", PAGES, ids=name)


@pytest.mark.parametrize("listing", [known for known in listings() if known.file], ids=str)
def test_a_listing_is_in_the_file_that_it_names_word_for_word(listing):
    file = (ROOT / listing.file).read_text().splitlines()
    wanted = same_form(listing.text.splitlines())
    starts = range(len(file) - len(wanted) + 1)
    assert any(same_form(file[start : start + len(wanted)]) == wanted for start in starts)


def test_a_listing_with_a_word_changed_is_found():
    text = "def healthz():\n    return {'status': 'well'}\n"
    changed = pages.Listing(PAGES[0], 1, "python", "steps/01-sync/app.py", text)
    with pytest.raises(AssertionError):
        test_a_listing_is_in_the_file_that_it_names_word_for_word(changed)


def same_form(lines):
    return dedent("\n".join(lines)).rstrip().splitlines()


@pytest.mark.parametrize("listing", listings("python"), ids=str)
def test_other_listings_in_python_can_be_parsed(listing):
    assert listing.file or ast.parse(dedent(listing.text))


@every_page
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page):
    for link in pages.links(page):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in pages.anchors(target), link
        elif anchor:
            last = int(anchor.rpartition("L")[2])  # of #L3 or #L3-L5
            assert last <= len(target.read_text().splitlines()), link


def test_anchors_are_those_of_github(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# `GET /tasks`: *who* may?\n\n## A_b c-d, [e](f)\n\n## Again\n\n## Again\n")
    assert pages.anchors(page) == {"get-tasks-who-may", "a_b-c-d-e", "again", "again-1"}


@every_page
def test_html_holds_no_marks_that_only_markdown_knows(page):
    """GitHub shows them unchanged. After an empty line it reads Markdown again."""
    for line, text in pages.html_blocks(page):
        shown = re.sub(r"<!--.*?-->|<[^>]*>", "", text, flags=re.DOTALL)
        assert not re.search(r"`|\*\*|\]\(|^- ", shown, re.MULTILINE), f"line {line}: {shown}"


@every_page
def test_lines_can_be_read_in_an_editor(page):
    lines = page.read_text().splitlines()
    listed = {n for known in pages.listings_of(page) for n in known.lines}
    for number, line in enumerate(lines, 1):
        free = line.startswith(("|", "<")) or "](" in line or "://" in line or number in listed
        assert free or len(line) <= LONGEST_LINE, f"line {number}: {len(line)} characters"


TESTS = ("tests/**/*.py", "steps/*/tests/*.py")


@every_page
def test_a_test_that_a_page_names_exists(page):
    names = {code for code in pages.code_in_lines(page) if re.fullmatch(r"test_\w+", code)}
    assert names <= names_of_tests()


@cache
def names_of_tests():
    files = [file for place in TESTS for file in ROOT.glob(place)]
    return {
        name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }


@every_page
def test_a_name_that_is_said_to_be_in_a_file_is_there(page):
    """As in: `KEEP` in [events.py](../steps/04-pubsub-sse/events.py)."""
    for code, path in re.findall(r"`([^`]+)`\s+in\s+\[[^\]]+\]\(([^):#]+)\)", page.read_text()):
        file = page.parent / path
        assert code.removesuffix("()") in (file.read_text() if file.is_file() else ""), code


@pytest.mark.parametrize("diagram", listings("mermaid"), ids=str)
def test_a_diagram_is_drawn(diagram):
    if error := mermaid.first_error(diagram.text):
        line, reason = error
        pytest.fail(f"{name(diagram.page)}:{diagram.line + line - 1}: {reason}")


@pytest.mark.parametrize("listing", listings(*commands.SHELLS), ids=str)
def test_a_command_is_known_to_work(listing):
    if not commands.is_typed(listing.text):
        for command in commands.commands(listing.text):
            commands.check(command)


@every_page
def test_a_command_in_a_line_is_known_to_work(page):
    for code in pages.code_in_lines(page):
        words = code.split()
        if words[:1] == ["workshop"] and "…" not in code and words[1:]:
            assert words[1] in main.commands, code
            if words[2:]:
                commands.check(code)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("rm -rf steps", "no rule"),
        ("workshop start 6", "no step 6"),
        ("workshop begin 1", "No such command"),
        ("workshop start 1 && workshop load 1 --people 3", "No such option"),
        ("workshop redis --step 9 monitor | grep XADD", "no step 9"),
        ("workshop test 3 tests/test_no_such.py", "not found"),
        ("cd steps/03-threaded-sse && pytest -k no_such_test", "no tests"),
        ("python tests/load/streams.py --stream 05", "No such option"),
        ("python tests/load/no_such.py", "not there"),
        ("gunicorn --chdir steps/06 app:app", "not there"),
        ("gunicorn --no-such-option app:app", "no-such"),
        ("gunicorn -c deploy/no_such.conf.py app:app", "not there"),
        ("uv sync --group test", "uv sync"),
        ("JOB_SPEED=1 workshop start 1", "JOB_SPEED"),
        ("git apply notes/solutions/0.0.patch", "not there"),
    ],
)
def test_a_command_that_would_not_work_is_found(command, reason):
    with pytest.raises(commands.NotKnown, match=reason):
        commands.check(command)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands.typed_lines(page)], ids=name)
def test_what_curl_asks_is_answered(page, tmp_path):
    """Types all listings of a page that use curl, one after another, into one shell."""
    with running(step_for(page, tmp_path), env={"JOB_PACE": "0.5"}) as step:
        shell = typed(page, step.url, tmp_path)
    assert shell.returncode == 0, shell.stdout + shell.stderr


@pytest.mark.parametrize(
    ("line", "good"),
    [
        ("curl -s http://127.0.0.1:8000/page.md", True),
        ("curl -s http://127.0.0.1:8000/none", False),
        ("curl -s http://127.0.0.1:8000/none  # 404", True),
        ("curl -s http://127.0.0.1:8000/page.md  # 404", False),
        ("curl -sN http://localhost:8000/page.md | head -n 1", True),
        ("TEXT=$(curl -s http://127.0.0.1:8000/none | cat)", False),
        ("curl -s http://127.0.0.1:1/http://127.0.0.1:8000", False),
    ],
)
def test_an_answer_that_a_page_does_not_expect_is_found(line, good, tmp_path):
    (tmp_path / "page.md").write_text(f"```sh\n{line}\n```\n")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        shell = typed(tmp_path / "page.md", f"http://127.0.0.1:{server.server_port}", tmp_path)
        server.shutdown()
    assert (shell.returncode == 0) == good, shell.stderr


def typed(page, url, tmp_path):
    here = url.removeprefix("http://")
    script = re.sub(r"(127\.0\.0\.1|localhost):8000", here, commands.script(page))
    return subprocess.run(
        ["bash", "-c", script],
        cwd=room(tmp_path),
        env=os.environ | {"HEADERS": str(tmp_path / "headers")},
        capture_output=True,
        text=True,
        timeout=300,
    )


def step_for(page, tmp_path):
    """The step of the page's number, or otherwise the last one that the page starts before it uses
    curl. If the page is an exercise, the step is solved."""
    number = re.search(r"/0?([1-5])[-.]", f"/{name(page)}".replace("/steps", ""))
    said = re.findall(r"workshop start (\d)", page.read_text().partition("curl ")[0])
    step = find_step(number[1] if number else (said or ["5"])[-1])
    patch = ROOT / "notes" / "solutions" / f"{page.name.partition('-')[0]}.patch"
    if not patch.exists():
        return step
    copy = Path(shutil.copytree(step, tmp_path / step.name))
    subprocess.run(["git", "apply", str(patch)], cwd=copy, check=True)
    return copy


def room(tmp_path):
    """A folder that looks like the top folder, for the files that commands leave behind."""
    folder = tmp_path / "top"
    folder.mkdir()
    for entry in ROOT.iterdir():
        (folder / entry.name).symlink_to(entry)
    return folder


@every_page
def test_a_table_of_results_is_that_of_the_results(page):
    """Between <!-- results/compare.md --> and <!-- end --> is that file, and nothing more."""
    marked = r"<!-- (\S*results/\S+) -->\n(.*?)<!-- end -->"
    text = page.read_text()
    found = re.findall(marked, text, re.DOTALL)
    assert len(found) == len(re.findall(r"<!-- \S*results/", text)), "a mark without its end"
    for path, table in found:
        file = RESULTS / path.rpartition("results/")[2]
        assert table.strip() == file.read_text().strip(), path


COSTS = r"^\| server \|.*bytes a stream.*\n\| [-| ]+\n((?:\|.*\n)+)"
FIGURES = ("streams", "bytes each", "after events", "us each", "p50 ms", "p95 ms", "p99 ms")


@every_page
def test_what_a_stream_costs_is_what_was_measured(page):
    """All figures in a row of such a table are from one row of streams.csv, of that server."""
    for table in re.findall(COSTS, page.read_text(), re.MULTILINE):
        for title, *cells in (line.strip("| ").split(" | ") for line in table.splitlines()):
            assert is_measured(title, cells), title


def test_figures_of_two_runs_are_not_those_of_one():
    assert is_measured("step 05", ["22,160", "119"])
    assert not is_measured("step 05", ["22,160", "127"])  # of the run with 1,000 streams
    assert not is_measured("nchan", ["22,160", "119"])


def is_measured(title, cells):
    known = ("sse-starlette-hub", "flask-sse", "nchan", "03", "04", "05")
    server = next(name for name in known if title.removeprefix("step ").startswith(name[:13]))
    claimed = {number for cell in cells for number in numbers(cell)}
    return any(claimed <= shown(row) for row in measured(server))


def shown(row):
    """The numbers of a run, as a page may show them."""
    values = [float(row[name]) for name in FIGURES]
    return {round(value) for value in values} | {round(value / 10) * 10 for value in values}


def test_the_other_figures_of_step_05_are_those_that_were_measured():
    assert re.search(COSTS, step_05(), re.MULTILINE)
    (row,) = (row for row in measured("05") if row["streams"] == "100000")
    (memory,) = re.findall(r"arrived\*\*, at ([\d,]+) bytes", step_05())
    (opened,) = re.findall(r"took\s(\d+) s to open", step_05())
    (p99,) = re.findall(r"99 of 100 events came within ([\d.]+) s", step_05())
    assert numbers(memory) == [int(row["bytes each"])]
    assert int(opened) == round(float(row["opened in s"]))
    assert float(p99) == round(float(row["p99 ms"]) / 1000, 1)
    assert row["open"] == row["delivered"] == "100000"
    (aside,) = re.findall(r"\(5,000; step 05 then took (\d+) us\)", step_05())
    assert any(int(aside) in shown(row) for row in measured("05") if row["streams"] == "5000")


def step_05():
    return (find_step("5") / "README.md").read_text()


def measured(server):
    with open(RESULTS / "streams.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if row["server"] == server]


def numbers(text):
    """12,005 and 61.7 as whole numbers."""
    found = re.findall(r"\d[\d,]*(?:\.\d+)?", text)
    return [round(float(number.replace(",", ""))) for number in found]
