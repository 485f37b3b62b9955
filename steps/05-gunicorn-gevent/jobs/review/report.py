"""Writes what was found as Word documents."""

import io

import docx

from jobs.review.document import Section
from jobs.review.rules import Finding

LONGEST_QUOTE = 160
MOST_FINDINGS = 100  # to list in one place


def section_report(section: Section, findings: list[Finding]) -> bytes:
    report = docx.Document()
    write_section(report, section, findings)
    return saved(report)


def full_report(reviewed: list[tuple[Section, list[Finding]]]) -> bytes:
    """A table of the sections with their risk, then the findings of each."""
    report = docx.Document()
    report.add_heading("Review", 0)
    table = report.add_table(1, 4, "Table Grid")
    fill(table.rows[0], "Section", "Risk", "Risks", "Feedback")
    for section, findings in reviewed:
        risks = sum(finding.is_risk for finding in findings)
        counts = str(risks), str(len(findings) - risks)
        fill(table.add_row(), section.title, risk_of(findings), *counts)
    for section, findings in reviewed:
        write_section(report, section, findings)
    return saved(report)


def risk_of(findings: list[Finding]) -> str:
    """Personal data is a high risk by itself; so are more than three others."""
    risks = [finding for finding in findings if finding.is_risk]
    if len(risks) > 3 or any(risk.rule.startswith("Personal data") for risk in risks):
        return "high"
    return "medium" if risks else "low"


def write_section(report, section, findings):
    report.add_heading(section.title, 1)
    report.add_paragraph(f"Risk: {risk_of(findings)}. {len(section.text.split())} words.")
    write_findings(report, "Risks", [finding for finding in findings if finding.is_risk])
    write_findings(report, "Feedback", [finding for finding in findings if not finding.is_risk])


def write_findings(report, title, findings):
    report.add_heading(title, 2)
    if not findings:
        report.add_paragraph("Nothing was found.")
    if len(findings) > MOST_FINDINGS:
        report.add_paragraph(f"{len(findings)} findings; these are the first {MOST_FINDINGS}:")
    for finding in findings[:MOST_FINDINGS]:
        line = report.add_paragraph(style="List Bullet")
        line.add_run(f"{finding.rule}: ").bold = True
        line.add_run(f"“{shortened(finding.quote)}” {finding.advice}")


def shortened(quote):
    return quote if len(quote) <= LONGEST_QUOTE else quote[:LONGEST_QUOTE].rstrip() + " …"


def fill(row, *texts):
    for cell, text in zip(row.cells, texts, strict=True):
        cell.text = text


def saved(report):
    file = io.BytesIO()
    report.save(file)
    return file.getvalue()
