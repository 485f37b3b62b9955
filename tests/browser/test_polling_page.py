"""Step 02 polls: one timer asks for all tasks, and the page offers nothing that the step lacks."""

import pytest

from actions import (
    for_steps,
    requests_to,
    sample_button,
    start_sample,
    wait_for_requests,
    wait_for_state,
)
from workshop.steps import find_step

pytestmark = [pytest.mark.slow, for_steps([find_step("2")])]


@pytest.fixture
def still_page(page):
    """A page whose clock stands still, so that a timer fires only when the test says so."""
    page.add_init_script("Math.random = () => 0.5")
    page.clock.install()
    page.reload()
    wait_for_requests(page, 1)
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    return page


def test_there_is_no_cancel_button_no_light_and_no_event_log(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    nothing_of_a_stream(page, card)
    wait_for_state(card, "done")
    nothing_of_a_stream(page, card)


def nothing_of_a_stream(page, card):
    assert card.locator(".remove").is_visible()
    for missing in (".cancel", ".light", ".log"):
        assert page.locator(missing).count() == 1  # the step has the same page as the others
        assert not page.locator(missing).is_visible()
    assert page.locator("#transport").inner_text() == ""


def test_the_first_poll_does_not_come_with_the_click(still_page):
    polls = requests_to(still_page, "/tasks")
    start_sample(still_page)
    still_page.clock.run_for(999)
    still_page.evaluate("fetch('/healthz')")  # a poll would have been sent before this request
    assert polls == []
    still_page.clock.run_for(2)  # half of the two seconds, because Math.random says 0.5
    wait_for_requests(still_page, 3)  # the first list, the POST and the poll
    assert len(polls) == 1


def test_one_poll_every_two_seconds_serves_twenty_tasks(still_page):
    polls = requests_to(still_page, "/tasks")
    button = sample_button(still_page)
    for number in range(20):
        button.click()
        still_page.locator("#tasks article").nth(number).wait_for()
    before = 21  # the first list, and each POST
    for number in range(1, 6):
        still_page.clock.run_for(2000)
        wait_for_requests(still_page, before + number)
    assert len(polls) == 5
    assert still_page.locator("#tasks .state:text-is('')").count() == 0  # each card has its state
