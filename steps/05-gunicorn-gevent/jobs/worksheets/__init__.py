"""Makes a worksheet and its answer key for each lesson of a workbook."""

from collections.abc import Iterator

from jobs.contract import Update
from jobs.worksheets import puzzles
from jobs.worksheets.paper import printed
from jobs.worksheets.workbook import Lesson, read_lessons

TITLE = "Make worksheets"
ABOUT = "A worksheet and an answer key for each lesson of a workbook, ready to print or to edit."
ACCEPTS = (".xlsx",)
SAMPLE = "lessons.xlsx"
OPTIONS = {
    "programme": {
        "academy": "Academy: fill the gap, match the meaning",
        "caterpillar": "Caterpillar, for young learners: trace, unscramble, word search",
    }
}
PROGRAMMES = {"academy": puzzles.academy, "caterpillar": puzzles.caterpillar}

read = read_lessons


def run(lessons: list[Lesson], programme: str) -> Iterator[Update]:
    words = 0
    for number, lesson in enumerate(lessons, 1):
        words += len(lesson.words)
        yield Update(
            progress=100 * number // len(lessons),
            stage="writing",
            message=f"Lesson {number} of {len(lessons)}: {lesson.topic}",
            current=number,
            total=len(lessons),
            metrics={"lesson": number, "words": words},
            file=printed(number, lesson.topic, PROGRAMMES[programme](lesson)),
        )
