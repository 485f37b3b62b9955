"""What a person does on a page, again and again."""


def open_form(page, title):
    card = page.locator("details", has=page.get_by_text(title))
    if card.get_attribute("open") is None:
        card.locator("summary").click()
    return card


def start_sample(page):
    """Starts the sample workbook, and returns the card of its task."""
    open_form(page, "Make worksheets").get_by_role("button", name="Use the sample").click()
    return page.locator("#tasks article").first
