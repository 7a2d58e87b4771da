"""What MkDocs makes the site of: the pages of the repository, where they lie.

Pages keep their paths below the root, so that their links lead the same way in
the repository and on the site. What the site has no page of, as a module of
the package, is named without a link.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from reference import MARK, reference

ROOT = Path(__file__).resolve().parents[2]
# those that lie beside docs/
OTHERS = ('*.md', 'configs/**/README.md')
WORKER = 'iframe-worker.js'
LINK = re.compile(r'(!?)\[((?:[^][]|\[[^]]*\])*)\]\(([^)\s]+)\)')
FENCE = re.compile(r'^```.*?^```$', re.M | re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the pages of docs/ where they lie, and others beside them."""
    found = Files([])
    for file in files:
        if file.src_dir == config.docs_dir:
            file = _of_root(f'docs/{file.src_uri}', config)
        found.append(file)
    for pattern in OTHERS:
        for path in sorted(ROOT.glob(pattern)):
            found.append(_of_root(path.relative_to(ROOT).as_posix(), config))
    found.append(
        File(
            WORKER,
            str(Path(__file__).parent),
            config.site_dir,
            config.use_directory_urls,
        )
    )
    return found


def _of_root(path: str, config: MkDocsConfig) -> File:
    return File(path, str(ROOT), config.site_dir, config.use_directory_urls)


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Name code without a link, and write the reference where it belongs."""
    markdown = MARK.sub(lambda mark: reference(mark[1]), markdown)
    home = PurePosixPath(page.file.src_uri).parent

    def without_link(match: re.Match[str]) -> str:
        target = match[3].partition('#')[0]
        if '://' in target or not target:
            return match[0]
        path = os.path.normpath(home / target)
        if files.get_file_from_path(path) is not None:
            return match[0]
        # MkDocs warns of a path that does not exist either
        return match[2] if (ROOT / path).exists() else match[0]

    parts, last = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [LINK.sub(without_link, markdown[last : fence.start()])]
        parts += [fence[0]]
        last = fence.end()
    return ''.join([*parts, LINK.sub(without_link, markdown[last:])])
