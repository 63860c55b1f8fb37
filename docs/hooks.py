"""Builds the site's pages from the files of the repository, see mkdocs.yml.

README.md is the home page. The files outside docs/ that pages link to come along. Equations between dollar signs become
MathML, which browsers show without a script.
"""

import posixpath
import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
PAGES = {  # from files outside docs/ to places on the site
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "pretrained/README.md": "pretrained/README.md",
}
NOTEBOOKS = ["Visualization.ipynb", "examples/own_data.ipynb", "examples/few_shot_digits.ipynb"]
LINKED = ["assets/*", "examples/*.py", "LICENSE", "browser/*.js", "browser/*.css", "pretrained/*/browser.js"]


@event_priority(100)  # before the plugin that turns notebooks into pages
def on_files(files, config):
    """Adds the pages and the linked files that lie outside docs/."""
    for source, place in PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    linked = [str(path.relative_to(ROOT)) for pattern in LINKED for path in sorted(ROOT.glob(pattern))]
    for path in [*NOTEBOOKS, *linked]:
        files.append(File(path, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown, page, config, files):
    """Points links to the places that files have on the site, and takes the equations out."""
    place = page.file.src_uri
    if place.endswith(".ipynb"):
        return markdown
    source = next((source for source, found in PAGES.items() if found == place), f"docs/{place}")

    def moved(match):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        target = PAGES.get(path, path.removeprefix("docs/"))
        return match[1] + posixpath.relpath(target, posixpath.dirname(place) or ".")

    markdown = re.sub(r"(\]\()([^)#:\s]+)", moved, markdown)
    page.equations = []  # Markdown must not see them, so numbered words stand in their place until it has run

    def hide(match):
        page.equations.append(convert(match[1] or match[2], display="block" if match[1] else "inline"))
        return f"equation{len(page.equations) - 1}number"

    return re.sub(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", hide, markdown, flags=re.DOTALL)


def on_page_content(html, page, config, files):
    """Puts the page's equations in."""
    return re.sub(r"equation(\d+)number", lambda match: page.equations[int(match[1])], html)
