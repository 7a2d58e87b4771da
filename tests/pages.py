"""What a page in a browser says and asks for."""


def watch(page, problems, allowed):
    """Note what a page complains of, and asks for but is not ``allowed``."""

    def said(message):
        if message.type in ('error', 'warning'):
            problems.append(message.text)

    def asked(request):
        if not allowed(request.url):
            problems.append(request.url)

    page.on('console', said)
    page.on('pageerror', lambda error: problems.append(str(error)))
    page.on('request', asked)
