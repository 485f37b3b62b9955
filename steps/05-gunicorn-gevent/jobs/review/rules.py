"""The rules of a review. Each is a function from a text to its findings; none needs a network."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import phonenumbers
import pyphen
import regex

LONG_SENTENCE = 30
HARD_TO_READ = 30
FEWEST_WORDS = 20  # a formula says nothing of less
TOO_MUCH_PASSIVE = 1 / 4
HYPHENS = pyphen.Pyphen(lang="en_US")


@dataclass(frozen=True)
class Finding:
    """`rule` names what was found, `quote` is the place, `advice` the mend."""

    rule: str
    quote: str
    advice: str
    is_risk: bool = False


RULES: list[Callable[[str], Iterator[Finding]]] = []


def rule(function):
    RULES.append(function)
    return function


def review(text: str) -> list[Finding]:
    return [finding for check in RULES for finding in check(text)]


def sentences(text):
    return [part for part in regex.split(r"(?<=[.!?])\s+(?=\p{Lu}|\d)|\n", text) if part.strip()]


def words(text):
    return regex.findall(r"\p{L}+(?:['\u2019]\p{L}+)?", text)


def matches(pattern, text, name, advice, is_risk=False):
    for match in regex.finditer(pattern, text, regex.IGNORECASE):
        yield Finding(name, match[0], advice, is_risk)


@rule
def readability(text):
    """Flesch reading ease (R. Flesch, 1948): 100 is easy, below 30 for specialists."""
    count = len(words(text))
    if count < FEWEST_WORDS:
        return
    syllables = sum(len(HYPHENS.positions(word)) + 1 for word in words(text))
    HYPHENS.hd.cache.clear()  # pyphen would keep every word that it has ever seen
    ease = 206.835 - 1.015 * count / len(sentences(text)) - 84.6 * syllables / count
    if ease < HARD_TO_READ:
        yield Finding("Hard to read", f"Flesch reading ease {ease:.0f}", "Use shorter words.")


@rule
def long_sentences(text):
    for sentence in sentences(text):
        if (length := len(words(sentence))) > LONG_SENTENCE:
            yield Finding("Long sentence", sentence, f"Split its {length} words in two.")


IRREGULAR = (
    "done|made|given|taken|held|kept|sent|seen|known|shown|written|built|found|paid|put|set"
)
PASSIVE = rf"\b(?:is|are|was|were|be|been|being)\s+(?:\p{{L}}+ly\s+)?(?:\p{{L}}+ed|{IRREGULAR})\b"


@rule
def passive_voice(text):
    passive = [sentence for sentence in sentences(text) if regex.search(PASSIVE, sentence)]
    if len(passive) >= 2 and len(passive) / len(sentences(text)) > TOO_MUCH_PASSIVE:
        for sentence in passive:
            yield Finding("Passive voice", sentence, "Say who does it.")


@rule
def doubled_words(text):
    yield from matches(r"\b(\p{L}+)\s+\1\b", text, "Repeated word", "Delete one of them.")


@rule
def overused_words(text):
    all_words = words(text)
    counts = Counter(word.lower() for word in all_words if len(word) > 5)
    for word, count in counts.items():
        if count >= 5 and count / len(all_words) > 0.04:
            yield Finding("Repeated word", f"{word}, {count} times", "Vary it, or leave it out.")


@rule
def mail_addresses(text):
    pattern = r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
    yield from matches(pattern, text, "Personal data: mail address", "Name a role instead.", True)


@rule
def phone_numbers(text):
    found = {
        match.raw_string: None
        for region in ("GB", "US")
        for match in phonenumbers.PhoneNumberMatcher(text, region)
    }
    for number in found:
        yield Finding("Personal data: phone number", number, "Name a role instead.", True)


@rule
def absolute_promises(text):
    pattern = (
        r"\b(?:will (?:always|never) \p{L}+|guarantee[sd]?|"
        r"under no circumstances|without exception|(?:zero|no) risk|impossible to fail)\b|\b100 ?%"
    )
    yield from matches(pattern, text, "Absolute promise", "Promise what you can keep.", True)


@rule
def missing_owners(text):
    pattern = (
        r"\b(?:someone|somebody|the team|they) (?:will|should|must|has to|needs to) \p{L}+|"
        r"\b(?:must|should|has to|have to|needs to|need to|will) be \p{L}+(?:ed|one|ade|nt)\b"
        r"(?![^.!?\n]{0,200}\bby (?!then\b|now\b)\p{Lu})"
    )
    yield from matches(pattern, text, "No owner", "Say who does it.", True)


@rule
def missing_dates(text):
    pattern = (
        r"\b(?:as soon as possible|asap|soon|in due course|in the near future|at some point|"
        r"at a later (?:date|stage)|sooner or later|when time permits)\b"
    )
    yield from matches(pattern, text, "No date", "Name the day.", True)


@rule
def unresolved(text):
    pattern = r"\b(?:TODO|TBD|TBC|FIXME|XXX|lorem ipsum)\b|\?{3,}"
    yield from matches(pattern, text, "Unresolved", "Resolve it before others read it.", True)
