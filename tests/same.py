"""The files that several steps share, byte for byte. Edit each in the earliest step that has it.

python tests/same.py    # copies them from there to the other steps
"""

import shutil
from pathlib import Path

STEPS = Path(__file__).parent.parent / "steps"
STEP = ["01-sync", "02-celery-polling", "03-threaded-sse", "04-pubsub-sse", "05-gunicorn-gevent"]
SAME = {  # files and folders, with the steps that have them
    "jobs": STEP,
    "page": STEP,
    "locustfile.py": STEP,
    "conftest.py": STEP,
    "store.py": STEP[1:],
    "sse.py": STEP[2:],
    "app.py": STEP[3:],
    "celeryconfig.py": STEP[3:],
    "tasks.py": STEP[3:],
    "static/follow.js": STEP[3:],
    "tests/test_auth.py": STEP[1:],
    "tests/conftest.py": STEP[2:],
    "tests/test_sse.py": STEP[2:],
    "tests/test_polling.py": STEP[3:],
    "tests/test_events.py": STEP[3:],
    "tests/test_replay.py": STEP[3:],
    "tests/test_stream.py": STEP[3:],
    "tests/test_stress.py": STEP[3:],
}


def copies():
    """(the file to edit, the copy that has to be the same), for each file and each later step."""
    for name, (first, *others) in SAME.items():
        for source in files_in(STEPS / first / name):
            for step in others:
                yield source, STEPS / step / source.relative_to(STEPS / first)


def strays():
    """Files in shared folders that the earliest step doesn't have."""
    wanted = {copy for _, copy in copies()}
    for name, (_, *others) in SAME.items():
        for step in others:
            yield from (file for file in files_in(STEPS / step / name) if file not in wanted)


def files_in(path):
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return [file for file in files if file.is_file() and "__pycache__" not in file.parts]


def main():
    for source, copy in copies():
        if not copy.is_file() or copy.read_bytes() != source.read_bytes():
            print(f"{source.relative_to(STEPS)} -> {copy.relative_to(STEPS)}")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    for stray in strays():
        print(f"removed: {stray.relative_to(STEPS)}")
        stray.unlink()


if __name__ == "__main__":
    main()
