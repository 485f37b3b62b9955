"""Reviews a document section by section: how it reads, and what could go wrong with it."""

from collections.abc import Iterator

from jobs.contract import File, Update
from jobs.review.document import Section, read_sections
from jobs.review.report import full_report, section_report
from jobs.review.rules import review

TITLE = "Review a document"
ABOUT = "Feedback and risks for each section of a document in English, and a report at the end."
ACCEPTS = (".docx", ".md", ".txt")
SAMPLE = "proposal.docx"
OPTIONS = {}

read = read_sections


def run(sections: list[Section]) -> Iterator[Update]:
    reviewed = []
    for number, section in enumerate(sections, 1):
        reviewed.append((section, review(section.text)))
        yield news(
            reviewed,
            total=len(sections) + 1,
            message=f"Section {number} of {len(sections)}: {section.title}",
            file=File(f"section_{number}.docx", section.title, section_report(*reviewed[-1])),
        )
    yield news(
        reviewed,
        total=len(sections) + 1,
        current=len(sections) + 1,
        message=f"The full report on {len(sections)} sections",
        file=File("report.docx", "Full report", full_report(reviewed)),
    )


def news(reviewed, total, message, file, current=None):
    current = current or len(reviewed)
    findings = [finding for _, found in reviewed for finding in found]
    return Update(
        progress=100 * current // total,
        stage="reviewing",
        message=message,
        current=current,
        total=total,
        metrics={
            "section": len(reviewed),
            "words": sum(len(section.text.split()) for section, _ in reviewed),
            "findings": len(findings),
            "risks": sum(finding.is_risk for finding in findings),
        },
        file=file,
    )
