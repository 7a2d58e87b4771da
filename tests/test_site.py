"""The site is built without a warning, and opens without a network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.data import ROOT
from tests.doc_commands import PAGES
from tests.pages import watch

# what a browser fetches when it shows a page; links of <a> it does not
FETCHED = {
    *(('link', 'href'), ('script', 'src'), ('img', 'src')),
    *(('iframe', 'src'), ('source', 'src'), ('use', 'href')),
}


class Fetched(HTMLParser):
    """Collects the addresses that a page fetches, and those it leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if (tag, key) in FETCHED:
                self.fetched.append(value)
            elif (tag, key) == ('a', 'href'):
                self.links.append(value)


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """Build the site as ``make docs`` does."""
    home = tmp_path_factory.mktemp('site') / 'site'
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '-d', str(home)],
        cwd=ROOT,
        env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # told to be quiet, it would not count its warnings either
    assert 'WARNING' not in done.stderr
    assert 'Documentation built' in done.stderr
    return home


@pytest.fixture(scope='module')
def pages(site):
    """Return the pages of the site, by path."""
    return {
        path.relative_to(site).as_posix(): path.read_text('utf-8')
        for path in sorted(site.rglob('*.html'))
    }


def test_each_page_of_the_repository_is_one_of_the_site(pages):
    for page in PAGES:
        home = Path(page).with_suffix('.html').as_posix()
        assert re.sub('README.html$', 'index.html', home) in pages, page


def test_no_page_fetches_anything_from_elsewhere(site, pages):
    for page, text in pages.items():
        for address in Fetched(text).fetched:
            if address.startswith(('data:', '#')):
                continue
            assert not re.match(r'(\w+:)?//', address), (page, address)
            file = site / page
            target = file.parent / unquote(re.split('[?#]', address)[0])
            if page == '404.html':  # its addresses begin at the root
                target = site / address.lstrip('/').split('?')[0]
            assert target.exists(), (page, address)
    for style in site.rglob('*.css'):
        assert not re.search(r'url\(.?(https?:)?//', style.read_text()), style
    assert len(pages) > 30


def test_links_lead_to_pages(site, pages):
    for page, text in pages.items():
        if page == '404.html':
            continue
        for address in Fetched(text).links:
            if re.match(r'\w+:', address):
                continue
            path, _, part = address.partition('#')
            target = site / page
            if path:
                target = target.parent / unquote(path)
            assert target.is_file(), (page, address)
            if part and part != '__skip':
                there = target.read_text('utf-8')
                assert f'id="{unquote(part)}"' in there, (page, address)


def test_the_reference_has_what_is_public(pages):
    import mmcvgssl.apis
    import mmcvgssl.models
    from mmcvgssl.registry import MODELS

    said = pages['docs/api.html']
    for name in mmcvgssl.apis.__all__:
        assert f'id="mmcvgssl.apis.{name}"' in said, name
    said = pages['docs/registered.html']
    for found in MODELS.module_dict.values():
        if not found.__module__.startswith('mmcvgssl.'):
            continue  # of another test
        assert f'>{found.__name__}</span>' in said, found
    # examples are code, and Sphinx's roles are gone
    assert 'class="gp"' in pages['docs/api.html']
    assert ':class:' not in said


def test_the_site_is_searched_from_a_disk(site, browser):
    problems: list[str] = []
    page = browser.new_page()
    watch(page, problems, lambda url: url.startswith(('file:', 'data:')))
    page.goto((site / 'docs/install.html').as_uri())
    assert page.title().startswith('Install')
    page.click('.md-search__input')
    page.keyboard.type('wheelhouse')
    page.wait_for_selector('.md-search-result__item a')
    page.click('.md-search-result__item a >> nth=0')
    page.wait_for_url('**/install.html*')
    assert problems == []
    page.close()
