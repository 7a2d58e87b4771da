"""The page: what is on it, and what happens when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from mmcvgssl.serving import view
from mmcvgssl.serving.quiet_gradio import gradio
from mmcvgssl.serving.session import Session, SessionEndedError
from mmcvgssl.serving.sessions import Sessions

_QUIET: dict[str, Any] = {
    'api_visibility': 'private',
    'show_progress': 'hidden',
    'concurrency_limit': None,  # the model has a lock of its own
}
_LONGEST = 100  # letters of a class's name
# before what was sent is deleted
_ASK = "(_, ...rest) => [confirm('Delete all images and labels?'), ...rest]"


def build_page(sessions: Sessions) -> Any:
    """Return the page as Gradio's blocks.

    Args:
        sessions: The sessions of visitors.
    """
    gr = gradio()
    served = sessions.served
    page = _Page(sessions)
    with gr.Blocks(
        title=f'{served.name} – mmcvgssl',
        analytics_enabled=False,
        fill_width=True,
    ) as blocks:
        state, turned = gr.State(None), gr.State(0)
        gr.HTML(view.headline(served.name, served.about))
        drop = gr.HTML('', js_on_load=view.static('drop.js'))
        slider = gr.HTML(
            '', js_on_load=view.static('slider.js'), elem_id='threshold'
        )
        with gr.Row():
            summary = gr.HTML('', elem_id='summary', scale=1)
            sort = gr.Radio(
                list(view.SORTS),
                value=view.SORTS[0],
                label='Sort by',
                scale=0,
                min_width=345,
                visible=not served.learns,
            )
            reset = gr.Button(
                "The file's threshold",
                elem_id='reset',
                scale=0,
                size='sm',
                visible=served.threshold is not None,
            )
            clear = gr.Button('Clear', elem_id='clear', scale=0, size='sm')
        sure = gr.Checkbox(visible=False)
        grid = gr.HTML('', elem_id='grid', js_on_load=view.static('grid.js'))
        shown = [turned, grid, summary]
        given = [state, turned, sort]
        opened = [state, drop, slider, *shown]
        blocks.load(_with_request(gr, page.open), None, opened, **_QUIET)
        drop.uploaded(page.judge, given, [*shown, slider], **_QUIET)
        slider.moved(
            _with_event(gr, page.move),
            given,
            shown,
            trigger_mode='always_last',
            **_QUIET,
        )
        reset.click(page.reset, given, [slider, *shown], **_QUIET)
        sort.input(page.show, given, shown, **_QUIET)
        grid.turn(_with_event(gr, page.turn), given, shown, **_QUIET)
        grid.assign(_with_event(gr, page.assign), given, shown, **_QUIET)
        clear.click(
            page.clear,
            [sure, *given],
            shown,
            js=_ASK,
            trigger_mode='multiple',
            **_QUIET,
        )
        page.known = blocks
    return blocks.queue(api_open=False)


def _with_request(gr: Any, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that Gradio gives its request."""

    def call(request: Any) -> Any:
        return work(request.session_hash)

    call.__annotations__ = {'request': gr.Request}
    return call


def _with_event(gr: Any, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that Gradio gives the page's event."""

    def call(session: Any, page: Any, sort: Any, event: Any) -> Any:
        return work(event._data, session, page, sort)

    # Gradio finds the argument by its type
    call.__annotations__ = {'event': gr.EventData}
    return call


def _said(work: Callable[..., Any]) -> Callable[..., Any]:
    """Show errors of the visitor's as sentences."""

    @wraps(work)
    def call(self: _Page, *args: Any) -> Any:
        try:
            return work(self, *args)
        except (SessionEndedError, KeyError, OSError, ValueError) as error:
            text = str(error.args[0] if error.args else error)
            for each in args:
                if isinstance(each, Session):
                    text = each.named(text)
            raise self.error(text) from error

    return call


class _Page:
    """What happens when the page is used.

    Args:
        sessions: The sessions of visitors.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions, self.served = sessions, sessions.served
        self._gr = gradio()
        self.known: Any = None  # the blocks, which know what is shown to whom

    def error(self, text: str) -> Exception:
        """Return what shows a sentence."""
        return self._gr.Error(text, print_exception=False)

    @_said
    def open(self, name: str) -> tuple:
        """Begin a session, of which Gradio keeps things by a name."""
        session = self.sessions.new()
        shown = self.known.state_holder
        session.at_end += [
            lambda: shown.session_data.pop(name, None),
            lambda: shown.time_last_used.pop(name, None),
        ]
        top = session, view.drop_zone(session), view.slider(session)
        return *top, *self.show(session, 0, None)

    @_said
    def show(self, session: Session, page: int, sort: str | None) -> tuple:
        """Return page, grid and summary."""
        self._there(session)
        html = view.grid(session, page, sort or view.SORTS[0])
        return page, html, view.summary(session)

    def judge(self, session: Session, page: int, sort: str) -> Iterator[tuple]:
        """Judge what has come, and show it batch by batch."""
        try:
            self._there(session)
            for done, count in session.judge_all():
                html = view.grid(session, page, sort)
                yield page, html, view.progress(done, count), self._gr.skip()
            yield (*self.show(session, page, sort), view.slider(session))
        except (SessionEndedError, OSError, ValueError) as error:
            raise self.error(session.named(str(error))) from error

    @_said
    def move(
        self, said: dict[str, Any], session: Session, page: int, sort: str
    ) -> tuple:
        """Judge by another threshold."""
        self._there(session)
        wanted = said.get('threshold')
        if not isinstance(wanted, (int, float)):
            raise ValueError('expected a number as threshold, got none')
        session.move_threshold(wanted)
        return self.show(session, page, sort)

    @_said
    def reset(self, session: Session, page: int, sort: str) -> tuple:
        """Judge by the threshold of the file."""
        self._there(session)
        session.move_threshold(None)
        return view.slider(session), *self.show(session, page, sort)

    @_said
    def turn(
        self, said: dict[str, Any], session: Session, page: int, sort: str
    ) -> tuple:
        """Show another page."""
        wanted = said.get('page')
        if not isinstance(wanted, int):
            raise ValueError('expected the number of a page')
        return self.show(session, wanted, sort)

    @_said
    def assign(
        self, said: dict[str, Any], session: Session, page: int, sort: str
    ) -> tuple:
        """Give images a class, and learn."""
        self._there(session)
        numbers, label = said.get('numbers'), said.get('label')
        if not isinstance(numbers, list) or not all(
            isinstance(number, int) for number in numbers
        ):
            raise ValueError('expected numbers of images')
        if not isinstance(label, (str, type(None))):
            raise ValueError('expected the name of a class')
        label = None if label is None else label.strip()
        if len(label or '') > _LONGEST:
            raise ValueError(
                f'expected a name of {_LONGEST} letters at most for a class, '
                f'got {len(label or "")}'
            )
        session.assign(numbers, label)
        return self.show(session, page, sort)

    @_said
    def clear(
        self, sure: bool, session: Session, page: int, sort: str
    ) -> tuple:
        """Delete all that was sent, if the visitor is sure."""
        self._there(session)
        if not sure:
            return self.show(session, page, sort)
        session.clear()
        return self.show(session, 0, sort)

    def _there(self, session: Session | None) -> None:
        if session is None:
            raise SessionEndedError(
                'the page has no session as yet: reload it, and wait a moment'
            )
        session.touch()
